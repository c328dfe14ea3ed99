package config

import (
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

const userinfoAdvice = "must not have a user or password in it; use "

func (l *loader) endpointURL(endpoint, text string) *url.URL {
	key := join(endpoint, "url")
	if text == "" {
		l.needs(endpoint, "url", "needs a `url`")
		return nil
	}
	u, ok := httpURL(text)
	switch {
	case !ok:
		l.add(key, "must be an address such as https://hcx.example.com:9443")
		return nil
	case u.User != nil:
		l.add(key, userinfoAdvice+"`credentials`")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		l.add(key, "must end with the API's base path; remove what follows `?` or `#`")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u
}

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
		default:
			origins = append(origins, Origin{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname()), Port: port(u)})
		}
	}
	return origins
}

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
