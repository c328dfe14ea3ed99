package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ErrForeignOrigin is Target's error when the credential may not be sent there.
var ErrForeignOrigin = errors.New("foreign origin")

// maxTarget is how long an address may be that a request names: it is kept.
const maxTarget = 2000

// canonical gives an address the spelling that all others of it have, so that they
// are one target. The port that the scheme implies is not said.
func canonical(u *url.URL) {
	host, _ := canonicalHost(u.Hostname()) // which an origin allows
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port(u) != port(&url.URL{Scheme: u.Scheme}) {
		host += ":" + port(u)
	}
	u.Host = host
}

// Target returns an endpoint that no configuration names: an address, asked as a module
// says. Its name is its address. The module's credential must list the origin of
// that, or the error is ErrForeignOrigin: whoever names a target must not learn a
// secret by it.
func (c *Config) Target(module, address string) (*Endpoint, error) {
	settings, known := c.Modules[module]
	u, problem := baseURL(address)
	switch {
	case !known:
		return nil, fmt.Errorf("there is no module %q%s", module, suggest(module, c.Modules))
	case settings.Credential == nil:
		return nil, fmt.Errorf("module %q has no `credential`; give it one in the configuration", module)
	case len(address) > maxTarget:
		return nil, fmt.Errorf("target must not be longer than %d bytes", maxTarget)
	case problem != "":
		return nil, fmt.Errorf("target %s", problem)
	case !slices.ContainsFunc(settings.Credential.Origins, func(o Origin) bool { return o.allows(u) }):
		return nil, fmt.Errorf("%w: credential %q must not be sent to %s://%s; allow that with its `origins` in the configuration",
			ErrForeignOrigin, settings.Credential.Name, u.Scheme, u.Host)
	}
	canonical(u)
	return &Endpoint{Name: u.String(), URL: u, Settings: settings.settled()}, nil
}
