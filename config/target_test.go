package config_test

import (
	"errors"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

func withModules(t *testing.T) *config.Config {
	t.Helper()
	settings, err := config.Parse([]byte(`
global: {interval: 5s}
credentials:
  fleet: {username: u, password: p, origins: ["https://*.example.com:9443", "https://One.example.org", "http://10.0.0.1:8080", "https://[2001:DB8:0::1]", "https://*.xn--bcher-kva.example"]}
  no-origins: {username: u, password: p}
modules:
  hcx: {api: hcx, credential: fleet}
  home: {api: hcx, credential: no-origins}
  no-credential: {api: hcx}
endpoints:
  - {name: known, url: "https://known.example.net", module: home}
`), "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestTarget(t *testing.T) {
	for name, tc := range map[string]struct{ url, canonical string }{
		"below the pattern": {"https://hcx-a.example.com:9443", "https://hcx-a.example.com:9443"},
		"far below it":      {"https://a.b.example.com:9443/base", "https://a.b.example.com:9443/base"},
		"in capitals":       {"HTTPS://HCX-A.Example.COM:9443", "https://hcx-a.example.com:9443"},
		"the scheme's port": {"https://one.example.org", "https://one.example.org"},
		"its port set":      {"https://one.example.org:443", "https://one.example.org"},
		"an address":        {"http://10.0.0.1:8080", "http://10.0.0.1:8080"},
		"in ASCII":          {"https://a.xn--bcher-kva.example", "https://a.xn--bcher-kva.example"},
		"encoded":           {"https://one.example.org/%C3%A9%20", "https://one.example.org/%C3%A9%20"},
		"dots in a name":    {"https://one.example.org/a.b/..c/v1.0", "https://one.example.org/a.b/..c/v1.0"},
		"an IPv6 address":   {"https://[2001:DB8:0::1]:443", "https://[2001:db8::1]"},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, err := withModules(t).Target("hcx", tc.url+"/")
			if err != nil {
				t.Fatal(err)
			}
			if endpoint.Name != tc.canonical || endpoint.URL.String() != tc.canonical {
				t.Errorf("it is %q at %q, want both %q", endpoint.Name, endpoint.URL, tc.canonical)
			}
			if endpoint.Auth != sessionapi.AuthLogin || endpoint.Timeout != 5*second || endpoint.Credential.Name != "fleet" {
				t.Errorf("its settings are %+v", endpoint.Settings)
			}
		})
	}
}

// A secret is sent only to its origins.
func TestTargetForeign(t *testing.T) {
	for name, tc := range map[string]struct{ module, url, origin string }{
		"somewhere else":             {"hcx", "https://attacker.example/base", "https://attacker.example"},
		"another port":               {"hcx", "https://hcx-a.example.com", "https://hcx-a.example.com"},
		"unencrypted":                {"hcx", "http://hcx-a.example.com:9443", "http://hcx-a.example.com:9443"},
		"the pattern's own domain":   {"hcx", "https://example.com:9443", "https://example.com:9443"},
		"no name below it":           {"hcx", "https://.example.com:9443", "https://.example.com:9443"},
		"a name that ends like it":   {"hcx", "https://evilexample.com:9443", "https://evilexample.com:9443"},
		"a name that begins like it": {"hcx", "https://one.example.org.evil.example", "https://one.example.org.evil.example"},
		"another alphabet":           {"hcx", "https://evil／.example.com:9443", "https://evil／.example.com:9443"},
		"a zone that ends like it":   {"hcx", "https://[::1%25.example.com]:9443", "https://[::1%.example.com]:9443"},
		"lowercases to ASCII":        {"hcx", "https://hcx.\u0130nitech.example.com:9443", "https://hcx.\u0130nitech.example.com:9443"},
		"an endpoint's address":      {"home", "https://known.example.net", "https://known.example.net"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := withModules(t)
			_, err := settings.Target(tc.module, tc.url)
			want := "foreign origin: credential \"" + settings.Modules[tc.module].Credential.Name + "\" must not be sent to " + tc.origin + "; allow that with its `origins` in the configuration"
			if !errors.Is(err, config.ErrForeignOrigin) || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

func TestTargetErrors(t *testing.T) {
	const (
		dots       = "target must not have `.` or `..` as a part of its path"
		slashes    = "target must not have `//` in its path"
		characters = "target must not have `;`, `\\`, `%`, `?`, `#` or control characters in its path"
		encoding   = "target must use percent-encoding in its path only where necessary, with uppercase digits"
	)
	const good, noAddress = "https://hcx-a.example.com:9443", "target must be a URL such as https://hcx.example.com:9443"
	for name, tc := range map[string]struct{ module, url, want string }{
		"disguised by a user":  {"hcx", good + "@attacker.example", "target must not have a user or password in it; use `credentials`"},
		"an empty user":        {"hcx", "https://@hcx-a.example.com:9443", "target must not have a user or password in it; use `credentials`"},
		"with a fragment":      {"hcx", good + "/#x", "target must end with the API's base path; remove what follows `?` or `#`"},
		"an empty fragment":    {"hcx", good + "/#", "target must end with the API's base path; remove what follows `#`"},
		"an empty query":       {"hcx", good + "/?", "target must end with the API's base path; remove what follows `?` or `#`"},
		"dot segments":         {"hcx", good + "/a/../b", dots},
		"a dot at the end":     {"hcx", good + "/a/.", dots},
		"dots, encoded":        {"hcx", good + "/a/%2e%2E/b", dots},
		"a dot, encoded":       {"hcx", good + "/a%2eb", encoding},
		"a letter, encoded":    {"hcx", good + "/%61", encoding},
		"a slash, encoded":     {"hcx", good + "/a%2fb", encoding},
		"in lower case":        {"hcx", good + "/%c3%a9", encoding},
		"not encoded":          {"hcx", good + "/é", encoding},
		"two slashes":          {"hcx", good + "/a//b", slashes},
		"two slashes first":    {"hcx", good + "//a", slashes},
		"two slashes last":     {"hcx", good + "/a//", slashes},
		"slashes, encoded":     {"hcx", good + "/%2f%2fa", slashes},
		"parameters":           {"hcx", good + "/a;b=c", characters},
		"parameters, encoded":  {"hcx", good + "/a%3bb", characters},
		"a backslash":          {"hcx", good + `/a\b`, characters},
		"a backslash, encoded": {"hcx", good + "/a%5cb", characters},
		"a query, encoded":     {"hcx", good + "/a%3Fb", characters},
		"a fragment, encoded":  {"hcx", good + "/a%23b", characters},
		"encoded twice":        {"hcx", good + "/%252e%252e/b", characters},
		"a line break":         {"hcx", good + "/a%0ab", characters},
		"with a query":         {"hcx", good + "?x=y", "target must end with the API's base path; remove what follows `?` or `#`"},
		"no scheme":            {"hcx", "hcx-a.example.com:9443", noAddress},
		"another scheme":       {"hcx", "ftp://hcx-a.example.com:9443", noAddress},
		"nothing":              {"hcx", "", noAddress},
		"too long":             {"hcx", good + "/" + strings.Repeat("x", 2000), "target must not be longer than 2000 bytes"},
		"unknown module":       {"hxc", good, "unknown module \"hxc\", did you mean `hcx`?"},
		"no credential":        {"no-credential", good, "module \"no-credential\" has no `credential`; give it one in the configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := withModules(t).Target(tc.module, tc.url)
			if err == nil || err.Error() != tc.want || errors.Is(err, config.ErrForeignOrigin) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}

// A pattern that matches every name is rejected.
func TestOriginOfEverything(t *testing.T) {
	_, err := config.Parse([]byte(`
credentials: {a: {token: t, origins: ["https://*."]}}
modules: {m: {api: hcx, credential: a}}
`), "f.yml")
	if want := "f.yml:2: credentials.a.origins[0]: `*.` must precede a domain, as in https://*.example.com"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
