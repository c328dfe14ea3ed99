package sessionapi

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Cookies are sent back as RFC 6265 specifies: byte for byte, to their paths, until they
// expire.
func TestCookies(t *testing.T) {
	const from = "https://appliance.test/api/login"
	for _, c := range []struct {
		name string
		set  []string // Set-Cookie headers
		url  string   // of the next request
		want string   // its Cookie header
	}{
		{"plain", []string{"sid=a; Path=/"}, "https://appliance.test/", "sid=a"},
		{"quotes", []string{`sid="q/1=="; Path=/`}, "https://appliance.test/", `sid="q/1=="`},
		{"a backslash", []string{`sid="a\073b"; Path=/`}, "https://appliance.test/", `sid="a\073b"`},
		{"one quote", []string{`sid="a; Path=/`}, "https://appliance.test/", `sid="a`},
		{"spaces around", []string{"sid = a b \t; Path=/"}, "https://appliance.test/", "sid=a b"},
		{"commas and spaces", []string{"sid=a, b c; Path=/"}, "https://appliance.test/", "sid=a, b c"},
		{"not ASCII", []string{"sid=\xe4\xc3; Path=/"}, "https://appliance.test/", "sid=\xe4\xc3"},
		{"equal signs", []string{"sid==a=b==; Path=/"}, "https://appliance.test/", "sid==a=b=="},
		{"no value", []string{"sid; Path=/"}, "https://appliance.test/", ""},
		{"no name", []string{"=a; Path=/"}, "https://appliance.test/", ""},
		{"a control character", []string{"sid=a\x01; Path=/"}, "https://appliance.test/", ""},

		{"by path", []string{"sid=A; Path=/api", "sid=B; Path=/ui"}, "https://appliance.test/api/me", "sid=A"},
		{"by path, in another order", []string{"sid=B; Path=/ui", "sid=A; Path=/api"}, "https://appliance.test/api/me", "sid=A"},
		{"the longest path first", []string{"sid=A; Path=/", "sid=B; Path=/api"}, "https://appliance.test/api/me", "sid=B; sid=A"},
		{"the path itself", []string{"sid=A; Path=/api"}, "https://appliance.test/api", "sid=A"},
		{"a path that ends in a slash", []string{"sid=A; Path=/api/"}, "https://appliance.test/api/me", "sid=A"},
		{"a path with the same beginning", []string{"sid=A; Path=/api"}, "https://appliance.test/apis", ""},
		{"no path", []string{"sid=A"}, "https://appliance.test/api/me", "sid=A"},
		{"no path, elsewhere", []string{"sid=A"}, "https://appliance.test/me", ""},
		{"an empty path", []string{"sid=A; Path="}, "https://appliance.test/api/me", "sid=A"},
		{"an invalid path", []string{"sid=A; Path=api"}, "https://appliance.test/ui", ""},
		{"the last path", []string{"sid=A; Path=/ui; path=/api"}, "https://appliance.test/api", "sid=A"},
		{"a path in another case", []string{"sid=A; PATH=/API"}, "https://appliance.test/api", ""},

		{"expired", []string{"sid=A; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, "https://appliance.test/", ""},
		{"expired, with dashes and two digits", []string{"sid=A; Path=/; expires=Thu, 01-Jan-70 00:00:00 GMT"}, "https://appliance.test/", ""},
		{"expired, as C writes it", []string{"sid=A; Path=/; expires=Thu Jan  1 00:00:10 1970"}, "https://appliance.test/", ""},
		{"an invalid date", []string{"sid=A; Path=/; Expires=soon"}, "https://appliance.test/", "sid=A"},
		{"a date in the future", []string{"sid=A; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT"}, "https://appliance.test/", "sid=A"},
		{"no seconds left", []string{"sid=A; Path=/; Max-Age=0"}, "https://appliance.test/", ""},
		{"a negative number of seconds", []string{"sid=A; Path=/; Max-Age=-5"}, "https://appliance.test/", ""},
		{"seconds, and then a date", []string{"sid=A; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, "https://appliance.test/", "sid=A"},
		{"a date, and then seconds", []string{"sid=A; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT; Max-Age=0"}, "https://appliance.test/", ""},
		{"too many seconds for an int", []string{"sid=A; Path=/; Max-Age=99999999999999999999"}, "https://appliance.test/", "sid=A"},
		{"a large negative number of seconds", []string{"sid=A; Path=/; Max-Age=-99999999999999999999"}, "https://appliance.test/", ""},
		{"a large negative number with a letter", []string{"sid=A; Path=/; Max-Age=-99999999999x"}, "https://appliance.test/", "sid=A"},
		{"not a number", []string{"sid=A; Path=/; Max-Age=1h"}, "https://appliance.test/", "sid=A"},
		{"deleted", []string{"sid=A; Path=/", "sid=x; Path=/; Max-Age=0"}, "https://appliance.test/", ""},
		{"deleted for another path", []string{"sid=A; Path=/", "sid=x; Path=/ui; Max-Age=0"}, "https://appliance.test/", "sid=A"},
		{"replaced", []string{"sid=A; Path=/", "sid=B; Path=/"}, "https://appliance.test/", "sid=B"},

		{"secure", []string{"sid=A; Path=/; Secure; HttpOnly; SameSite=Lax"}, "https://appliance.test/", "sid=A"},
		{"secure, without TLS", []string{"sid=A; Path=/; Secure"}, "http://appliance.test/", ""},
		{"its own domain", []string{"sid=A; Path=/; Domain=appliance.test"}, "https://appliance.test/", "sid=A"},
		{"a domain above it", []string{"sid=A; Path=/; Domain=.TEST"}, "https://appliance.test/", "sid=A"},
		{"another domain", []string{"sid=A; Path=/; Domain=elsewhere.test"}, "https://appliance.test/", ""},
		{"a domain with the same ending", []string{"sid=A; Path=/; Domain=ance.test"}, "https://appliance.test/", ""},
		{"an empty domain", []string{"sid=A; Path=/; Domain="}, "https://appliance.test/", "sid=A"},
	} {
		t.Run(c.name, func(t *testing.T) {
			login, _ := url.Parse(from)
			next, _ := url.Parse(c.url)
			set := SetCookies(Response{Header: http.Header{"Set-Cookie": c.set}, URL: login})
			if got := Jar(nil).With(set).Header(next); got != c.want {
				t.Errorf("Cookie: %s\nwant %s", got, c.want)
			}
		})
	}
}

// RFC 6265, 5.1.1, accepts dates in almost any order of their parts.
func TestCookieDate(t *testing.T) {
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, text := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"6 nov 94 8:49:37", "Sun, 06-Nov-1994 08:49:37 GMT", "08:49:37 06 November 1994", "1994 6 Nov 08:49:37.123",
	} {
		if got := cookieDate(text); !got.Equal(want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "soon", "06 Nov 1994", "08:49:37", "31 Feb 1994 08:49:37", "06 Nov 1994 25:49:37", "06 Nov 1994 08:60:37", "06 Nov 1994 08:49:371", "06 Nov 1994 008:49:37", "06 Nov 1500 08:49:37", "0 Nov 1994 08:49:37", "06 Nov 19945 08:49:37"} {
		if got := cookieDate(text); !got.IsZero() {
			t.Errorf("%q is %s, want no date", text, got)
		}
	}
}
