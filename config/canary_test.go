package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
)

const canary = "hunter2"

// misplaced are files that are wrong and have a secret somewhere, often where
// none belongs.
var misplaced = []string{
	"hunter2",
	"- hunter2",
	"global: hunter2",
	"global: {interval: hunter2, timeout: [hunter2], metrics_deny: ['hunter2(', hunter2]}",
	"credentials: hunter2",
	"credentials: {a: hunter2}",
	"credentials: {a: [hunter2]}",
	"credentials: {a: {password hunter2}}",
	"credentials: {a: {password=hunter2: x}}",
	"credentials: {a: {password:hunter2}}",
	"credentials: {a: {password=hunter2: x, password=hunter2: y}}",
	"credentials: {a: {password: [hunter2]}}",
	"credentials: {a: {password: {hunter2: x}}}",
	"credentials: {a: {password: {a: hunter2}}}",
	"credentials: {a: {password: !!int hunter2}}",
	"credentials: {a: {password: !hunter2 x}}",
	"credentials: {a: {password: !hunter2!x y}}",
	"credentials: {a: {password: !<hunter2 x}}",
	"credentials: {a: {password: &hunter2 }}",
	"credentials: {a: {password: &hunter2 {<<: hunter2}}}",
	"credentials:\n  a:\n    password: *hunter2\n",
	"credentials: {a: {password: '*hunter2, <<: *hunter2}}",
	"credentials:\n  a:\n    password: @hunter2\n",
	"credentials:\n  a:\n    password: %hunter2\n",
	"credentials:\n  a:\n    password: hunter2: x\n",
	"credentials:\n  a:\n    password: \"hunter2\n",
	"credentials:\n  a:\n    password: 'hunter2'hunter2'\n",
	"credentials:\n  a:\n    password: \"\\hunter2\"\n",
	"credentials:\n  a:\n    password: |hunter2\n",
	"credentials:\n  a:\n    password hunter2\n    username: m\n",
	"credentials:\n  a:\n    password:\n      - hunter2\n      hunter2\n",
	"credentials: {a: {password: hunter2}}",
	"credentials: {a: {password: hunter2, token: hunter2}}",
	"credentials: {a: {password_file: hunter2}}",
	"credentials: {a: {password_file: /hunter2}}",
	"credentials: {a: {password_file: \"hunter2\\0\"}}",
	"credentials: {a: {password_file: {a: hunter2}}}",
	"credentials: {a: {password_env: hunter2}}",
	"credentials: {a: {password_env: 'hunter2=x'}}",
	"credentials: {a: {token: [hunter2]}}",
	"credentials: {a: {token_file: hunter2, username: hunter2}}",
	"credentials: {a: {token_env: hunter2, expires: hunter2, max_age: hunter2, origins: ['https://hunter2@x', hunter2], lockout_guard: hunter2}}",
	"credentials: {a: {token: hunter2, lockout_guard: {max_refusals: hunter2, retry_after: hunter2}}}",
	"credentials: {a: {oauth2: hunter2}}",
	"credentials: {a: {oauth2: {client_secret: hunter2}}}",
	"credentials: {a: {oauth2: {client_secret: [hunter2], client_secret_file: hunter2, client_secret_ref: hunter2}}}",
	"credentials: {a: {oauth2: {client_secret: !!int hunter2, scopes: hunter2, endpoint_params: {a: [hunter2]}}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: 'https://m:hunter2@sso.example.com'}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: 'https://m:hunter2@sso.example.com/%zz'}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: hunter2, grant_type: hunter2, client_certificate_key: hunter2, claims: {a: [hunter2]}}}}",
	"credentials: {a: {oauth2: {tls_config: {key: hunter2, cert: hunter2, ca: hunter2}, proxy_url: 'http://m:hunter2@'}}}",
	"apis: hunter2",
	"apis: {a: hunter2}",
	"apis: {a: {auth: [hunter2], headers: {X: [hunter2]}, login: hunter2, session: hunter2, check: hunter2, body: hunter2, answer: hunter2, states: hunter2, error_codes: {E: hunter2}}}",
	"apis: {a: {login: {method: hunter2, path: hunter2, send: hunter2, body: hunter2, options: hunter2}, session: [hunter2, {from: hunter2, to: hunter2}]}}",
	"apis: {a: {login: {path: 'hunter2', send: json, body: {x: '$hunter2', y: '$hunter2 ', z: [{hunter2: '$hunter2'}]}}, headers: {X: \"hunter2\\n\"}}}",
	"apis: {a: {session: [{from: header, name: 'hunter2 x'}, {from: body, to: cookie, as: 'hunter2;', prefix: \"hunter2\\n\"}]}}",
	"apis: {a: {body: {x: hunter2, y: [hunter2], z: {a: [[hunter2]]}}, check: {path: '$hunter2'}}}",
	"apis: {a: {body: {x: text}, answer: {username: hunter2, roles: body.hunter2, message: '\"hunter2', version: hunter2(), expiry: timestamp('hunter2'), error_code: \"body.x.matches('hunter2(')\"}}}",
	"apis: {a: {answer: {username: hunter2 hunter2, roles: \"'hunter2'\", message: body.x.hunter2(), version: '@hunter2', server_time: \"1 + 'hunter2'\"}}}",
	"apis: {a: {states: [{when: hunter2, state: hunter2, why: hunter2}, {when: \"duration('hunter2')\"}, {when: '{a: hunter2}'}, {when: 'hunter2{a: 1}'}]}}",
	"modules: hunter2",
	"modules: {m: hunter2}",
	"modules: {m: {api: hunter2, credential: hunter2, auth: hunter2}}",
	"modules: {m: {api: hcx, auth: hunter2, login: {auth_type: hunter2}}}",
	"modules: {m: {api: hcx, login: hunter2, expect: hunter2, interval: hunter2, session_max_age: hunter2}}",
	"modules: {m: {api: hcx, tls_config: hunter2}}",
	"modules: {m: {api: hcx, tls_config: {ca: hunter2}}}",
	"modules: {m: {api: hcx, tls_config: {key: hunter2}}}",
	"modules: {m: {api: hcx, tls_config: {cert: hunter2, key: hunter2}}}",
	"modules: {m: {api: hcx, tls_config: {key: {hunter2: hunter2}, min_version: hunter2, insecure_skip_verify: hunter2}}}",
	"modules: {m: {api: hcx, tls_config: {cert: hunter2, key_file: hunter2}}}",
	"modules: {m: {api: hcx, tls_config: {ca_file: /hunter2, cert_file: hunter2, key_file: hunter2}}}",
	"modules: {m: {api: hcx, tls_config: {cert: \"-----BEGIN CERTIFICATE-----\\nhunter2\\n-----END CERTIFICATE-----\", key: \"-----BEGIN PRIVATE KEY-----\\nhunter2=\\n-----END PRIVATE KEY-----\"}}}",
	"modules: {m: {api: hcx, http_headers: hunter2}}",
	"modules: {m: {api: hcx, http_headers: {X-A: hunter2}}}",
	"modules: {m: {api: hcx, http_headers: {X-A: {secrets: hunter2, values: {a: hunter2}, files: [hunter2, [hunter2]]}}}}",
	"modules: {m: {api: hcx, http_headers: {X-A: {secrets: [\"hunter2\\n\", [hunter2]], values: [\"hunter2\\n\"]}}}}",
	"modules: {m: {api: hcx, proxy_url: 'http://m:hunter2@p:x'}}",
	"modules: {m: {api: hcx, proxy_url: 'ftp://m:hunter2@p'}}",
	"modules: {m: {api: hcx, proxy_url: [hunter2]}}",
	"modules: {m: {api: hcx, proxy_url: 'http://m:hunter2@p', proxy_from_environment: true}}",
	"modules: {m: {api: hcx, proxy_connect_header: {X-A: hunter2, X-B: [\"hunter2\\n\"]}}}",
	"endpoints: hunter2",
	"endpoints: [hunter2, [hunter2], {name: hunter2}, {name: hunter2, module: hunter2}]",
	"endpoints: [{name: \"hunter2\\n\", url: 'https://m:hunter2@x', module: hunter2, credential: hunter2, labels: {site: [hunter2], le: hunter2}}]",
	"endpoints: [{url: 'https://m:hunter2@x y'}, {url: 'https://m:hunter2@x:y'}, {url: 'hunter2'}, {url: 'https://x?token=hunter2'}, {url: 'https://x/%hunter2'}]",
	"endpoints: []\n---\nhunter2",
	"endpoints: []\n---\n*hunter2",
}

// TestNoSecretInErrors wants every mistake reported and the secret in no report.
func TestNoSecretInErrors(t *testing.T) {
	for _, text := range misplaced {
		_, err := config.Parse([]byte(text), "c.yml", probe.APIs())
		switch {
		case err == nil:
			t.Errorf("no error for\n%s", text)
		case strings.Contains(strings.ToLower(err.Error()), canary):
			t.Errorf("the error for\n%s\nquotes the secret:\n%v", text, err)
		}
	}
}

// TestNoSecretInSuggestions guesses at a name, from names alone.
func TestNoSecretInSuggestions(t *testing.T) {
	text := "credentials: {name: {token: hunter2}}\nmodules: {m: {api: dr, credential: hunter2}}\nendpoints: [{name: a, url: 'https://x', module: hunter1}]"
	_, err := config.Parse([]byte(text), "c.yml", probe.APIs())
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v", err)
	}
}

// TestNoSecretInUnusableFile reads a file that is not a configuration at all.
func TestNoSecretInUnusableFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, probe.APIs()); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v", err)
	}
}
