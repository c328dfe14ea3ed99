package config_test

import (
	"strings"
	"testing"

	"session_exporter/config"
)

// The masked YAML is a valid configuration again, without its secrets.
func TestYAML(t *testing.T) {
	const text = `global:
    interval: 30s
    metrics_deny:
        - go_.*
credentials:
    bearer:
        oauth2:
            client_id: x
            client_secret: canary-client
            auth_style: header
            token_url: https://sso.example.com/token
            endpoint_params:
                password: canary-parameter
    password:
        username: u
        password: canary-password
        expires: "2027-01-31T00:00:00Z"
        origins:
            - https://*.example.com
        lockout_guard:
            max_refusals: 3
    token:
        token: canary-token
modules:
    m:
        api: hcx
        credential: password
        http_headers:
            X-A:
                secrets:
                    - canary-header
        proxy_url: http://u:canary-proxy@proxy.example.com:3128
        proxy_connect_header:
            X-P:
                - canary-connect
        expect:
            roles:
                - a
endpoints:
    - name: e
      url: https://hcx.example.com:9443
      module: m
      labels:
        site: a
      timeout: 5s
`
	parsed, err := config.Parse([]byte(text), "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for _, secret := range []string{"client", "password", "token", "header", "connect", "parameter"} {
		want = strings.Replace(want, "canary-"+secret, "<secret>", 1)
	}
	want = strings.Replace(want, "canary-proxy", "xxxxx", 1)
	if parsed.YAML != want {
		t.Errorf("got\n%s\nwant\n%s", parsed.YAML, want)
	}
	if _, err := config.Parse([]byte(parsed.YAML), "f.yml"); err != nil {
		t.Error(err)
	}
}
