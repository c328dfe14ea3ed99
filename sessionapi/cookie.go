package sessionapi

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"session_exporter/secret"
)

// Cookie is a cookie that an appliance set. It is returned byte for byte (RFC 6265, 5.2);
// net/http would remove the quotes around its value, and reject a backslash.
type Cookie struct {
	Name    string
	Value   secret.Secret
	path    string
	host    string    // of a Domain attribute or, without one, empty
	expires time.Time // zero: with the session
	secure  bool
}

// maxSetCookies limits the cookies of a response. Clients need not keep more than 50 for a host
// (RFC 6265, 6.1), and each cookie is remembered as a secret.
const maxSetCookies = 100

// SetCookies returns the cookies that a response sets, in order, including expired
// ones, which delete a cookie. It omits cookies for another host.
func SetCookies(response Response) []Cookie {
	var set []Cookie
	lines := response.Header["Set-Cookie"]
	for _, line := range lines[:min(len(lines), maxSetCookies)] {
		if c, ok := parseCookie(line, response.URL); ok {
			set = append(set, c)
		}
	}
	return set
}

// parseCookie reads a Set-Cookie header as specified in RFC 6265, 5.2 and 5.3. from is
// the URL of the request, nil if it does not matter.
func parseCookie(line string, from *url.URL) (c Cookie, ok bool) {
	pair, attributes, _ := strings.Cut(line, ";")
	name, value, found := strings.Cut(pair, "=")
	name, value = trimBlanks(name), trimBlanks(value)
	if !found || name == "" || !httpguts.ValidHeaderFieldValue(name+value) {
		return c, false
	}
	c = Cookie{Name: name, Value: secret.New(value), path: defaultPath(from)}
	hasMaxAge := false
	for attribute := range strings.SplitSeq(attributes, ";") {
		key, value, _ := strings.Cut(attribute, "=")
		value = trimBlanks(value)
		switch strings.ToLower(trimBlanks(key)) {
		case "expires":
			if at := cookieDate(value); !hasMaxAge && !at.IsZero() {
				c.expires = at
			}
		case "max-age": // takes precedence over Expires, in any order
			if at, ok := maxAge(value); ok {
				c.expires, hasMaxAge = at, true
			}
		case "domain":
			c.host = strings.ToLower(strings.TrimPrefix(value, "."))
		case "path":
			if c.path = value; !strings.HasPrefix(value, "/") {
				c.path = defaultPath(from)
			}
		case "secure":
			c.secure = true
		}
	}
	return c, from == nil || c.host == "" || inDomain(from.Hostname(), c.host)
}

func trimBlanks(text string) string { return strings.Trim(text, " \t") }

// maxAge returns when a cookie with this Max-Age expires.
func maxAge(value string) (at time.Time, ok bool) {
	seconds, err := strconv.ParseInt(value, 10, 32)
	switch {
	// ParseInt reads a number only until it overflows.
	case errors.Is(err, strconv.ErrSyntax) || strings.Trim(strings.TrimPrefix(value, "-"), "0123456789") != "":
		return at, false
	case seconds <= 0:
		return time.Unix(1, 0), true
	default: // values that would overflow are capped at 68 years
		return time.Now().Add(time.Duration(seconds) * time.Second), true
	}
}

// inDomain reports whether a host matches a Domain attribute (RFC 6265, 5.1.3).
func inDomain(host, domain string) bool {
	host = strings.ToLower(host)
	return host == domain || strings.HasSuffix(host, "."+domain) && net.ParseIP(host) == nil
}

// defaultPath returns the path of a cookie without a Path attribute (RFC 6265, 5.1.4).
func defaultPath(u *url.URL) string {
	if u == nil {
		return "/"
	}
	path := u.EscapedPath()
	if last := strings.LastIndexByte(path, '/'); last > 0 && path[0] == '/' {
		return path[:last]
	}
	return "/"
}

func (c *Cookie) expired() bool { return !c.expires.IsZero() && !time.Now().Before(c.expires) }

// matches reports whether the cookie is sent with a request to u (RFC 6265, 5.4).
func (c *Cookie) matches(u *url.URL) bool {
	rest, below := strings.CutPrefix(cmp.Or(u.EscapedPath(), "/"), c.path)
	below = below && (rest == "" || rest[0] == '/' || strings.HasSuffix(c.path, "/"))
	return below && !c.expired() && (!c.secure || u.Scheme == "https")
}

// Jar holds the cookies of a session. It is replaced, never changed: a request in flight
// may still refer to it.
type Jar []Cookie

// With returns the Jar after a response that set cookies. Those with the same name,
// host and path are replaced, those that have expired are removed. Longer paths
// come first (RFC 6265, 5.4).
func (j Jar) With(set []Cookie) Jar {
	next := slices.Clone(j)
	for _, c := range set {
		same := slices.IndexFunc(next, func(old Cookie) bool {
			return old.Name == c.Name && old.host == c.host && old.path == c.path
		})
		if same >= 0 {
			next[same] = c
		} else {
			next = append(next, c)
		}
	}
	next = slices.DeleteFunc(next, func(c Cookie) bool { return c.expired() })
	slices.SortStableFunc(next, func(a, b Cookie) int { return len(b.path) - len(a.path) })
	return next
}

// Value returns the value of the cookie with this name and the longest path, empty if none
// has the name.
func (j Jar) Value(name string) string {
	for i := range j {
		if j[i].Name == name {
			return j[i].Value.Reveal()
		}
	}
	return ""
}

// AllExpired reports whether there were cookies and all have expired or were removed.
func (j Jar) AllExpired() bool {
	return j != nil && !slices.ContainsFunc(j, func(c Cookie) bool { return !c.expired() })
}

// Header returns the value of the Cookie header for a request, empty if it carries no
// cookie.
func (j Jar) Header(u *url.URL) string {
	var pairs []string
	for i := range j {
		if j[i].matches(u) {
			pairs = append(pairs, j[i].Name+"="+j[i].Value.Reveal())
		}
	}
	return strings.Join(pairs, "; ")
}

// CookieValue returns the value of a cookie that a response sets, empty if it sets none
// of that name or deletes it.
func CookieValue(header http.Header, name string) string {
	return Jar(nil).With(SetCookies(Response{Header: header})).Value(name)
}
