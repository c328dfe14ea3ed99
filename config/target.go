package config

import (
	"errors"
	"fmt"
	"slices"
)

// ErrForeignOrigin is Target's error when the credential may not be sent there.
var ErrForeignOrigin = errors.New("foreign origin")

// Target returns an endpoint that no configuration names: url, asked as a module
// says. Its name is its address. The module's credential must list the origin of
// that, or the error is ErrForeignOrigin: whoever names a target must not learn a
// secret by it.
func (c *Config) Target(module, url string) (*Endpoint, error) {
	settings, known := c.Modules[module]
	u, problem := baseURL(url)
	switch {
	case !known:
		return nil, fmt.Errorf("there is no module %q%s", module, suggest(module, c.Modules))
	case settings.Credential == nil:
		return nil, fmt.Errorf("module %q has no `credential`; give it one in the configuration", module)
	case problem != "":
		return nil, fmt.Errorf("target %s", problem)
	case !slices.ContainsFunc(settings.Credential.Origins, func(o Origin) bool { return o.allows(u) }):
		return nil, fmt.Errorf("%w: credential %q must not be sent to %s://%s; allow that with its `origins` in the configuration",
			ErrForeignOrigin, settings.Credential.Name, u.Scheme, u.Host)
	}
	return &Endpoint{Name: u.String(), URL: u, Settings: settings.settled()}, nil
}
