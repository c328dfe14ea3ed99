package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"session_exporter/internal/strictyaml"
)

// httpURL parses an http:// or https:// address with a host. It does not return the
// parser's errors, which quote the address, including a password.
func httpURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, false
	}
	return u, goodHost(u)
}

func goodHost(u *url.URL) bool {
	if u.Hostname() == "" || u.Port() == "" {
		return u.Hostname() != "" && !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

func (r *resolver) endpointURL(endpoint strictyaml.Key, text string) *url.URL {
	if text == "" {
		r.Require(endpoint, "url", "needs a `url`")
		return nil
	}
	u, problem := baseURL(text)
	r.AddProblem(endpoint.Field("url"), problem)
	return u
}

// baseURL parses the address of a session API, and returns what is wrong with it, if
// anything. u is nil if it cannot be parsed.
func baseURL(text string) (u *url.URL, problem string) {
	u, ok := httpURL(text)
	switch {
	case !ok:
		return nil, "must be a URL such as https://hcx.example.com:9443"
	case u.User != nil:
		problem = userinfoAdvice + "`credentials`"
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		problem = "must end with the API's base path; remove what follows `?` or `#`"
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, problem
}

const userinfoAdvice = "must not have a user or password in it; use "

func (r *resolver) origins(key strictyaml.Key, patterns []string) []Origin {
	origins := make([]Origin, 0, len(patterns))
	for i, pattern := range patterns {
		at := key.Item(i)
		u, ok := httpURL(pattern)
		switch {
		case r.Invalid(at):
		case !ok || *u != url.URL{Scheme: u.Scheme, Host: u.Host}:
			r.Add(at, "must be a scheme, host and port only, such as https://*.example.com:9443")
		case strings.Contains(strings.TrimPrefix(u.Hostname(), "*."), "*"):
			r.Add(at, "`*` may stand only for the first labels of the host, as in https://*.example.com")
		case strings.Trim(u.Hostname(), "*.") == "":
			r.Add(at, "`*.` must precede a domain, as in https://*.example.com")
		default:
			host, wildcard := strings.CutPrefix(u.Hostname(), "*.")
			if host, ok = canonicalHost(host); !ok {
				r.Add(at, "matches nothing; write a name in ASCII, as in https://xn--bcher-kva.example, and an address without a zone")
			}
			if wildcard {
				host = "*." + host
			}
			origins = append(origins, Origin{Scheme: u.Scheme, Host: host, Port: Port(u)})
		}
	}
	return origins
}

// allows reports whether an address has the origin. A pattern matches names, never IP
// addresses.
func (o Origin) allows(u *url.URL) bool {
	host, ok := canonicalHost(u.Hostname())
	if !ok || u.Scheme != o.Scheme || Port(u) != o.Port {
		return false
	}
	if below, ok := strings.CutPrefix(o.Host, "*"); ok {
		_, err := netip.ParseAddr(host)
		return err != nil && len(host) > len(below) && strings.HasSuffix(host, below)
	}
	return host == o.Host
}

// canonicalHost returns the canonical form of a host: an address as netip formats it, a
// name in lower case. It rejects hosts that may be dialed differently from how they
// look: names in other alphabets, whose letters have many encodings, and addresses with
// a zone, which may be any text.
func canonicalHost(host string) (string, bool) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String(), address.Zone() == ""
	}
	for _, r := range host {
		if !strings.ContainsRune(nameCharacters, r) {
			return "", false
		}
	}
	return strings.ToLower(host), host != ""
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// Port returns the port of a URL, or the scheme's default.
func Port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
