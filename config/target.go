package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"session_exporter/internal/strictyaml"
)

// ErrForeignOrigin is the error of Target if the credential must not be sent to the address.
var ErrForeignOrigin = errors.New("foreign origin")

// maxTarget limits the length of an address in a request, because it is stored.
const maxTarget = 2000

// canonical brings an address into its canonical form, so that all its spellings are
// one target. It omits the scheme's default port.
func canonical(u *url.URL) {
	host, _ := canonicalHost(u.Hostname()) // valid, since an origin allows it
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if Port(u) != Port(&url.URL{Scheme: u.Scheme}) {
		host += ":" + Port(u)
	}
	u.Host = host
}

// targetPathProblem returns why the path of a target is invalid, if it is. Servers and proxies
// interpret such paths in different ways, and each spelling would be a separate target.
func targetPathProblem(address string) (problem string) {
	u, ok := httpURL(address)
	if !ok {
		return "" // baseURL reports it
	}
	segments := strings.Split(u.Path, "/")
	switch {
	case strings.Contains(address, "#"):
		return "must end with the API's base path; remove what follows `#`"
	case strings.Contains(u.Path, "//"):
		return "must not have `//` in its path"
	case slices.Contains(segments, "."), slices.Contains(segments, ".."):
		return "must not have `.` or `..` as a part of its path"
	case strings.ContainsAny(u.Path, `;\%?#`), strings.ContainsFunc(u.Path, unicode.IsControl):
		return "must not have `;`, `\\`, `%`, `?`, `#` or control characters in its path"
	case u.RawPath != "":
		return "must use percent-encoding in its path only where necessary, with uppercase digits"
	}
	return ""
}

// Target returns an endpoint for an address that is not configured. Its settings are
// the module's and its name is the address. The module's credential must list the
// address's origin, otherwise the error is ErrForeignOrigin: a request must not send a
// secret anywhere else.
func (c *Config) Target(module, address string) (*Endpoint, error) {
	settings, known := c.Modules[module]
	u, problem := baseURL(address)
	problem = cmp.Or(problem, targetPathProblem(address))
	switch {
	case !known:
		return nil, fmt.Errorf("unknown module %q%s", module, strictyaml.Suggest(module, c.Modules))
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
	return &Endpoint{Name: u.String(), URL: u, Settings: settings}, nil
}
