package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// httpURL parses an http:// or https:// address that has a host. The parser's
// own errors quote the address, which may have a password in it.
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

func (l *loader) endpointURL(endpoint, text string) *url.URL {
	if text == "" {
		l.needs(endpoint, "url", "needs a `url`")
		return nil
	}
	u, problem := baseURL(text)
	if problem != "" {
		l.add(join(endpoint, "url"), "%s", problem)
	}
	return u
}

// baseURL parses the address of a session API, or says what is wrong with it.
func baseURL(text string) (u *url.URL, problem string) {
	u, ok := httpURL(text)
	switch {
	case !ok:
		return nil, "must be an address such as https://hcx.example.com:9443"
	case u.User != nil:
		problem = userinfoAdvice + "`credentials`"
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		problem = "must end with the API's base path; remove what follows `?` or `#`"
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, problem
}

const userinfoAdvice = "must not have a user or password in it; use "

func (l *loader) origins(key string, patterns []string) []Origin {
	origins := make([]Origin, 0, len(patterns))
	for i, pattern := range patterns {
		at := index(key, i)
		u, ok := httpURL(pattern)
		switch {
		case l.wrong[at]:
		case !ok || *u != url.URL{Scheme: u.Scheme, Host: u.Host}:
			l.add(at, "must be a scheme, host and port such as https://*.example.com:9443, and nothing behind them")
		case strings.Contains(strings.TrimPrefix(u.Hostname(), "*."), "*"):
			l.add(at, "`*` may stand only for the first labels of the host, as in https://*.example.com")
		case strings.Trim(u.Hostname(), "*.") == "":
			l.add(at, "`*.` must stand before a domain, as in https://*.example.com")
		default:
			host, wildcard := strings.CutPrefix(u.Hostname(), "*.")
			if host, ok = canonicalHost(host); !ok {
				l.add(at, "matches nothing; write a name in ASCII, as in https://xn--bcher-kva.example, and an address without a zone")
			}
			if wildcard {
				host = "*." + host
			}
			origins = append(origins, Origin{Scheme: u.Scheme, Host: host, Port: port(u)})
		}
	}
	return origins
}

// allows reports whether an address is of the origin. A pattern stands for names
// and never for addresses.
func (o Origin) allows(u *url.URL) bool {
	host, ok := canonicalHost(u.Hostname())
	if !ok || u.Scheme != o.Scheme || port(u) != o.Port {
		return false
	}
	if below, ok := strings.CutPrefix(o.Host, "*"); ok {
		_, err := netip.ParseAddr(host)
		return err != nil && len(host) > len(below) && strings.HasSuffix(host, below)
	}
	return host == o.Host
}

// canonicalHost returns the one spelling of a host: an address as netip writes it,
// a name in small letters. It refuses what is dialled as another than it looks:
// names in other alphabets, whose letters have many spellings, and addresses with a
// zone, which may be any text.
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

// port returns the port of a URL, the scheme's own when it names none.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
