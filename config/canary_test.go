package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
)

const canary = "hunter2"

// misplaced are invalid files with a secret somewhere, often in the wrong place.
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
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: 'https://sso.example.com/token?tenant=hunter2'}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: 'https://sso.example.com/token#hunter2'}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: 'https://sso.example.com/token', auth_style: hunter2}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: 'https://sso.example.com/token', auth_style: params, endpoint_params: {client_secret: hunter2}}}}",
	"credentials: {a: {oauth2: {client_id: a, client_secret: b, token_url: hunter2, grant_type: hunter2, client_certificate_key: hunter2, claims: {a: [hunter2]}}}}",
	"credentials: {a: {password: hunter2, token: hunter2, oauth2: {client_id: a, grant_type: password, token_url: 'https://sso.example.com', client_secret_env: hunter2, endpoint_params: {password: hunter2}}}}",
	"credentials: {a: {token: hunter2, username: hunter2, oauth2: {client_id: hunter2, auth_style: hunter2, grant_type: vcf_api_token, token_url: 'https://sso.example.com', endpoint_params: {api_token: hunter2}}}}",
	"credentials: {a: {oauth2: {client_id: a, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', token_url: 'https://sso.example.com', client_certificate_key: hunter2, signature_algorithm: hunter2, claims: {hunter2: .nan, a: {hunter2: hunter2, hunter2: b}}}}}",
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
	"apis: {a: {answer: {username: \"''hunter2 ' hunter2' hunter2\", roles: \"'it' 's' hunter2 '\", message: '\"hunter2 \\q\"', version: \"`it''hunter2` + body.`hunter2`\"}}}",
	"apis: {a: {body: {o: {\"it's hunter2, int)\": {x: text}}}, answer: {username: 'body.o == 1', roles: 'body.o + [1]', message: 'body.o.hunter2', version: '[body].map(x, x.o)[0] == 1'}}}",
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

// TestNoSecretInErrors checks that every mistake is reported and no report has the
// secret.
func TestNoSecretInErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yml")
	for _, text := range misplaced {
		write(t, file, text)
		loaded, found := config.Check(file)
		switch {
		case len(found) == 0 || loaded != nil:
			t.Errorf("no error for\n%s", text)
		case strings.Contains(strings.ToLower(found.Error()), canary):
			t.Errorf("the problems of\n%s\nquote the secret:\n%v", text, found)
		}
	}
}

// TestNoSecretInSuggestions checks that suggestions come from names only.
func TestNoSecretInSuggestions(t *testing.T) {
	text := "credentials: {name: {token: hunter2}}\nmodules: {m: {api: dr, credential: hunter2}}\nendpoints: [{name: a, url: 'https://x', module: hunter1}]"
	_, err := config.Parse([]byte(text), "c.yml")
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v", err)
	}
}

// TestNoSecretInUnusableFile loads a file that is not a configuration at all.
func TestNoSecretInUnusableFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.NewLoader(file).Load(); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v", err)
	}
}

// canaries are secrets in keys: with a digit inside, with characters that no word has,
// and attached to their key.
var canaries = []string{"S3cr3tCanary", "X:S3cr3tCanary", "p=S3cr3tCanary", "S3cr3t Canary", "S3cr3tCanary9xQ", "Ünc4nary-S3cr3tCanary", "eyJS3cr3t.Canary.x_y"}

// blocksWithKeys are files with a KEY wherever a key may be, followed by a VALUE.
var blocksWithKeys = []string{
	"{KEY: VALUE}",
	"global: {KEY: VALUE}",
	"credentials: {KEY: VALUE}",
	"credentials: {KEY: {}}",
	"credentials: {KEY: {token: [x], KEY: VALUE}}",
	"credentials: {KEY: {token: x}}\nmodules: {m: {api: hcx, credential: other}, n: {api: dr, auth: basic, credential: KEY}, o: {api: dr, auth: bearer, credential: KEY}}",
	"credentials: {KEY: {username: 'a:b', password: x}}\nmodules: {m: {api: dr, credential: KEY}}",
	"credentials: {a: {KEY: VALUE}}",
	"credentials: {a: {KEY: VALUE, KEY: VALUE}}",
	"credentials: {a: {token: {KEY: VALUE}, lockout_guard: {KEY: VALUE}}}",
	"credentials: {a: {lockout_guard: {account: KEY}}}",
	"credentials: {a: {oauth2: {KEY: VALUE}}}",
	"credentials: {a: {oauth2: {scopes: [x], endpoint_params: {KEY: VALUE, scope: VALUE, x: [KEY]}}}}",
	"credentials: {a: {oauth2: {endpoint_params: {KEY: [x]}, claims: {KEY: VALUE}, tls_config: {KEY: VALUE}}}}",
	"apis: {KEY: VALUE}",
	"apis: {KEY: {check: {path: x}}}",
	"apis: {a: {KEY: VALUE}}",
	"apis: {a: {headers: {KEY: VALUE}}}",
	"apis: {a: {headers: {KEY: \"x\\n\", Cookie: KEY}}}",
	"apis: {a: {login: {KEY: VALUE, body: {KEY: '$x'}, options: {KEY: VALUE}}}}",
	"apis: {a: {login: {path: /x, send: json, body: {a: $password}, options: {KEY: [x]}}}}",
	"apis: {a: {session: [{KEY: VALUE}], check: {KEY: VALUE}, logout: {KEY: VALUE}}}",
	"apis: {a: {body: {KEY: VALUE}}}",
	"apis: {a: {body: {KEY: [wrong]}}}",
	"apis: {a: {body: {KEY: {KEY: wrong}}}}",
	"apis: {a: {body: {KEY: text}, answer: {username: body.usr, roles: '1 + body', KEY: VALUE}}}",
	"apis: {a: {body: {o: {KEY: {x: text}}}, answer: {username: body.o == 1}}}",
	"apis: {a: {error_codes: {KEY: VALUE}, states: [{KEY: VALUE}]}}",
	"apis: {KEY: {session: [{from: header, name: X-A}], check: {path: /a}, answer: {username: body.x}}}\nmodules: {m: {api: KEY, auth: basic, login: {x: y}, expect: {roles: [x], organizations: [x]}, http_headers: {X-A: {values: [x]}}}, n: {api: other}}",
	"apis: {a: {login: {path: /l, send: json, body: {p: $password, q: $o}, options: {o: [KEY]}}, session: [{from: cookie, name: s}], check: {path: /a}, answer: {username: body.x}}}\nmodules: {m: {api: a, login: {o: x, KEY: VALUE, p: x}}}",
	"modules: {KEY: VALUE}",
	"modules: {KEY: {auth: [x]}}",
	"modules: {KEY: {api: hcx}}\nendpoints: [{name: e, url: 'https://x', module: KEY}, {name: f, module: other}]",
	"modules: {m: {KEY: VALUE}}",
	"modules: {m: {api: hcx, login: {KEY: VALUE}}}",
	"modules: {m: {api: hcx, http_headers: {KEY: VALUE}}}",
	"modules: {m: {api: hcx, http_headers: {KEY: {KEY: VALUE}}}}",
	"modules: {m: {api: hcx, http_headers: {KEY: {values: [\"x\\n\"], files: [/KEY]}}}}",
	"modules: {m: {api: hcx, http_headers: {X-A: {KEY: VALUE}}}}",
	"modules: {m: {api: hcx, tls_config: {KEY: VALUE}, expect: {KEY: VALUE}}}",
	"modules: {m: {api: hcx, proxy_url: 'http://p', proxy_connect_header: {KEY: VALUE}}}",
	"modules: {m: {api: hcx, proxy_url: 'http://p', proxy_connect_header: {KEY: [\"x\\n\"]}}}",
	"modules: {m: {api: hcx, auth: KEY}}\nendpoints: [{name: e, url: 'https://x', module: m, api: dr}]",
	"endpoints: [{KEY: VALUE}]",
	"endpoints: [{labels: {KEY: VALUE}}]",
	"endpoints: [{labels: {KEY: VALUE, KEY: VALUE}}]",
	"endpoints: [{labels: {KEY: [x], job: VALUE}}]",
	"endpoints: [{name: KEY, url: KEY, module: KEY, credential: KEY, pairing: KEY, remote_credential: KEY}, {name: KEY}]",
	"endpoints: [{labels: {<<: KEY}}]",
	"endpoints: [{labels: {<<: *KEY}}]",
	"x: &KEY {a: b}\ny: *OTHER",
	"endpoints:\n  - {name: a\n    KEY: VALUE",
	"endpoints:\n\t- KEY: VALUE",
	"credentials:\n  a:\n    password:KEY\n    username: VALUE\n",
	"credentials:\n  a:\n    KEY\n   username: VALUE\n",
	"credentials:\n  a:\n    ? KEY\n    : VALUE\n    ? [KEY]\n    : VALUE\n",
	"credentials:\n  a: !KEY {token: VALUE}\n  b: {token: !!KEY VALUE}\n",
	"%KEY VALUE\n---\na: b",
}

// TestNoSecretInKeys puts secrets in place of every key, bare and quoted, followed by
// nothing, text, a list, a block, and the secret again.
func TestNoSecretInKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yml")
	reported := 0
	for _, block := range blocksWithKeys {
		for _, secret := range canaries {
			for _, quoted := range []string{secret, "'" + secret + "'"} {
				for _, value := range []string{"", "x", "[x]", "{x: y}", quoted} {
					text := strings.NewReplacer("KEY", quoted, "VALUE", value).Replace(block)
					write(t, file, text)
					_, found := config.Check(file)
					reported += len(found)
					if text := strings.ToLower(found.Error()); strings.Contains(text, "s3cr3t") || strings.Contains(text, "canary") {
						t.Errorf("the problems of\n%s\nquote the secret:\n%s", text, found)
					}
				}
			}
		}
	}
	if reported < 5000 {
		t.Errorf("%d problems, want at least 5000", reported)
	}
}

// TestWordsInKeys checks that errors show keys that are words, so that they are easy to
// find.
func TestWordsInKeys(t *testing.T) {
	for text, want := range map[string]string{
		"modules: {hcx-site-a: {api: hcx, http_headers: {X-Api-Key: {values: [x], value: y}}}}":                  "c.yml:1: modules.hcx-site-a.http_headers.X-Api-Key.value: unknown key, did you mean `values`?",
		"modules: {dc1.hcx02: {api: hcx, http_headers: {X:S3cr3t}}}":                                             "c.yml:1: modules.dc1.hcx02.http_headers.*: invalid header name; use letters, digits and dashes",
		"modules: {m: {api: hcx, proxy_url: 'http://p', proxy_connect_header: {X:S3cr3t: [a]}}}":                 "c.yml:1: modules.m.proxy_connect_header.*: invalid header name; use letters, digits and dashes",
		"modules: {m: {api: hcx}}\nendpoints: [{name: e, url: 'https://x:1', module: m, labels: {site:S3cr3t}}]": "c.yml:2: endpoints[0]: needs a `credential`, here or in module \"m\"\nc.yml:2: endpoints[0].labels.*: invalid label name; use letters (a to z), digits and underscores, and begin with a letter",
	} {
		_, err := config.Parse([]byte(text), "c.yml")
		if err == nil || err.Error() != want {
			t.Errorf("got\n%v\nwant\n%s", err, want)
		}
	}
}
