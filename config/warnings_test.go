package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
)

// checked returns all problems of a text, as of a file f.yml.
func checked(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.yml")
	write(t, file, text)
	_, found := config.Check(file)
	return strings.ReplaceAll(found.Error(), file, "f.yml")
}

// account returns a file with one credential, which has the given line.
func account(line string) string {
	return "credentials:\n  a:\n    username: svc\n    " + line + "\n" + around
}

const around = "modules: {m: {api: hcx, credential: a}}\nendpoints: [{name: e, url: 'https://h.example.com:9443', module: m}]\n"

func withUsername(text string) string {
	return "credentials:\n  a:\n    password: x\n    username: " + text + "\n" + around
}

func withURL(api, url string) string {
	return "credentials: {a: {username: u, password: p}}\nmodules: {m: {api: " + api + ", credential: a}}\nendpoints:\n  - {name: e, url: '" + url + "', module: m}\n"
}

// withControl returns a file with a module and an endpoint that have the given settings.
func withControl(module, endpoint string) string {
	return "credentials: {a: {token: t}}\nmodules:\n  m: {api: hcx, credential: a, " + module + "}\nendpoints:\n  - {name: e, url: 'https://h.example.com:9443', module: m" + endpoint + "}\n"
}

const withoutHeaders = "the impossible token is sent without the secrets in `http_headers`, so a gateway that requires them refuses it before the API does"

const (
	spaceWarning   = "f.yml:4: warning: credentials.a.username: starts or ends with a space or an invisible character; remove it"
	controlError   = "f.yml:4: credentials.a.username: contains a control character; in double quotes, a backslash starts an escape such as `\\n`: use single quotes"
	secretComment  = "a comment follows the secret; if the ` #` is part of it, put the secret in quotes"
	plainHTTP      = "secrets are sent without encryption; use https"
	noVerification = "certificates are not verified, so anyone on the network path can read the secrets; use `ca_file`"
)

func TestWarnings(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	const atPassword = "f.yml:4: warning: credentials.a.password: "
	const (
		notExpanded = "variables are not expanded here; write the value, or use `password_env` or `token_env` for a secret"
		dollar      = "contains ${…}, and " + notExpanded
		template    = "contains {{…}}, which a template engine should have replaced"
	)
	for _, c := range []struct{ name, text, want string }{
		{"variable", account(`password: "${SVC_PASSWORD}"`), atPassword + dollar},
		{"grant as a parameter", "credentials:\n  a:\n    oauth2:\n      {client_id: i, client_secret: s, token_url: 'https://h.example.com', endpoint_params: {grant_type: password}}\n" + around, "f.yml:4: warning: credentials.a.oauth2.endpoint_params.grant_type: replaces the grant, but the lockout guard protects only the client's secret; set the key `grant_type` instead"},
		{"variable with a default", account(`password: ${SVC_PASSWORD:-x}`), atPassword + dollar},
		{"directory of systemd", account("password_file: ${CREDENTIALS_DIRECTORY}/hcx"), "f.yml:4: credentials.a.password_file: CREDENTIALS_DIRECTORY is not set: systemd sets it for a service with credentials"},
		{"directory of systemd in a password", account(`password: "${CREDENTIALS_DIRECTORY}/hcx"`), atPassword + dollar},
		{"variable inside", account(`password: x${env.PW}y`), atPassword + dollar},
		{"variable of Kubernetes", account(`password: $(SVC_PASSWORD)`), atPassword + "is $(…), and " + notExpanded},
		{"template", account(`password: '{{ .SVC }}'`), atPassword + template},
		{"template of a block scalar", account("password: |\n      {{ .SVC }}"), atPassword + template},
		{"template of ERB", account(`password: '<%= @pw %>'`), atPassword + "contains <%…%>, which a template engine should have replaced"},
		{"Argo CD", account(`password: "<path:kv/svc#pw>"`), atPassword + "contains <path:…>, which the Argo CD Vault plugin should have replaced"},
		{"sops", account(`password: ENC[AES256_GCM,data:x]`), atPassword + "is ENC[…], which should have been decrypted"},
		{"Windows", account(`password: "%SVC_PASSWORD%"`), atPassword + "contains %…%, and " + notExpanded},
		{"Windows, short", account(`password: "%X%"`), atPassword + "contains %…%, and " + notExpanded},
		{
			"template elsewhere", strings.Replace(withURL("hcx", "https://h.example.com:9443"), "module: m}", "module: m, labels: {site: '{{ site }}'}}", 1),
			"f.yml:4: warning: endpoints[0].labels.site: " + template,
		},

		{"comment", account("password: pass #word"), atPassword + secretComment},
		{"comment of words", account("password: pass\t# the old one"), atPassword + secretComment},
		{"comment after a token", "credentials:\n  a:\n    token: tok # word\n" + around, "f.yml:3: warning: credentials.a.token: " + secretComment},

		{"space after a username", withUsername(`"svc "`), spaceWarning},
		{"space before a username", withUsername(`" svc"`), spaceWarning},
		{"no-break space", withUsername(`"svc\u00a0"`), spaceWarning},
		{"narrow space", withUsername(`"\u202fsvc"`), spaceWarning},
		{"zero-width space", withUsername(`"svc\u200b"`), spaceWarning},
		{"byte order mark", withUsername(`"\ufeffsvc"`), spaceWarning},
		{"newline escape", withUsername(`"CORP\nina"`), controlError},
		{"tab escape", withUsername(`"CORP\tim"`), controlError},
		{"newline at the end", withUsername(`"svc\n"`), controlError},
		{"block scalar", withUsername("|\n      svc"), controlError},

		{"hcx with a path", withURL("hcx", "https://h.example.com:9443/hybridity"), "f.yml:4: warning: endpoints[0].url: has a path, but the API hcx is at the root; remove the path"},
		{"hcx without a port", withURL("hcx", "https://h.example.com"), "f.yml:4: warning: endpoints[0].url: has no port, but the API hcx is usually on port 9443; add it"},
		{"dr without a path", withURL("dr", "https://h.example.com"), "f.yml:4: warning: endpoints[0].url: has no base path, but the API dr has one, such as /api/rest/srm/v2"},
		{"dr with the root", withURL("dr", "https://h.example.com/"), "f.yml:4: warning: endpoints[0].url: has no base path, but the API dr has one, such as /api/rest/srm/v2"},
		{"dr with the path of its requests", withURL("dr", "https://h.example.com/api/rest/srm/v2/session/"), "f.yml:4: warning: endpoints[0].url: ends in /session, which the exporter appends itself; remove it"},
		{
			"HTTP/2 without TLS", strings.Replace(withURL("hcx", "http://h.example.com:9443"), "module: m", "module: m, enable_http2: true", 1),
			"f.yml:4: warning: endpoints[0].enable_http2: has no effect on an http URL, because HTTP/2 requires TLS; use https\nf.yml:4: warning: endpoints[0].url: " + plainHTTP,
		},
		{"unencrypted", withURL("hcx", "http://h.example.com:9443"), "f.yml:4: warning: endpoints[0].url: " + plainHTTP},
		{
			"unencrypted elsewhere", "credentials:\n  a:\n    oauth2: {client_id: i, client_secret: s, token_url: 'HTTP://s.example.com', tls_config: {insecure_skip_verify: true}}\n    origins: ['http://o.example.com']\n" + around,
			"f.yml:3: warning: credentials.a.oauth2.tls_config.insecure_skip_verify: " + noVerification + "\n" +
				"f.yml:3: warning: credentials.a.oauth2.token_url: " + plainHTTP + "\nf.yml:4: warning: credentials.a.origins[0]: " + plainHTTP,
		},
		{
			"unverified", "credentials: {a: {token: t}}\nmodules: {m: {api: dr, credential: a, tls_config: {insecure_skip_verify: true}}}\n" +
				"endpoints:\n  - {name: e, url: 'https://h.example.com/api', module: m, tls_config: {insecure_skip_verify: true}}",
			"f.yml:2: warning: modules.m.tls_config.insecure_skip_verify: " + noVerification + "\nf.yml:4: warning: endpoints[0].tls_config.insecure_skip_verify: " + noVerification,
		},
		{
			"unused", "credentials:\n  a: {token: t}\n  b: {token: t}\n  c: {token: u, origins: ['https://x']}\nmodules:\n  n: {api: hcx}\n  o: {api: hcx, credential: c}\n  m: {api: hcx, credential: a}\n" +
				"endpoints: [{name: e, url: 'https://h.example.com:9443', module: m}]",
			"f.yml:3: warning: credentials.b: no module and no endpoint uses this credential; remove it\nf.yml:6: warning: modules.n: no endpoint uses this module, and no `origins` allow /probe?target= to use it; remove it",
		},
		{
			"the same URL and account", "credentials:\n  a: {username: u, password: p}\n  b: {username: u, password: p}\n  c: {username: v, password: p}\nmodules: {m: {api: hcx, credential: a}}\nendpoints:\n" +
				"  - {name: e, url: 'https://h.example.com:443', module: m}\n  - {name: f, url: 'https://H.example.com:443/', module: m, credential: b}\n  - {name: g, url: 'https://h.example.com:443', module: m, credential: c}",
			"f.yml:8: warning: endpoints[1].url: the endpoint on line 7 has the same URL and account, so the session is monitored twice; remove one",
		},
		{
			"impossible token without the gateway's key", withControl("negative_control: 24h, http_headers: {X-Key: {secrets: [k]}}", ""),
			"f.yml:3: warning: modules.m.negative_control: " + withoutHeaders,
		},
		{
			"impossible token without an endpoint's header", withControl("negative_control: 24h", ", http_headers: {X-Key: {values: [aB3dE6gH9jK2mN5p]}}"),
			"f.yml:5: warning: endpoints[0].http_headers: " + withoutHeaders,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := checked(t, c.text); got != c.want {
				t.Errorf("got\n%s\nwant\n%s\nfor\n%s", got, c.want, c.text)
			}
		})
	}
}

// TestNoWarnings has values that look like mistakes but are not.
func TestNoWarnings(t *testing.T) {
	for _, text := range []string{
		account(`password: 'a$b==c(%d"e'`),
		account(`password: "pass #word"`),
		account(`password: 'pass' # the old one`),
		account(`password: pass#word`),
		account(`password: '100%safe%'`),
		account(`password: '$HOME'`),
		account(`password: 'a{b}c}}d{{'`),
		withUsername(`'CORP\nina'`),
		withUsername(`'CORP\tim'`),
		withUsername(`CORP\nina`),
		withUsername(`Jörg Müller`),
		withURL("dr", "https://h.example.com/api/rest/vr/v1"),
		withURL("dr", "https://h.example.com/sessions"),
		withURL("vcenter", "https://h.example.com"),
		withURL("hcx", "https://h.example.com:443"),
		withURL("hcx", "https://h.example.com:9443/"),
		"global: {metrics_deny: ['go_.{2}}}', 'a{{2}}']}\n" + account("password: x"),
		withControl("negative_control: 24h, http_headers: {Accept-Language: {values: [en]}}", ""),
		withControl("negative_control: 24h", ", negative_control: 0, http_headers: {X-Key: {secrets: [k]}}"),
		"credentials: {a: {token: t, origins: ['https://h.example.com']}}\nmodules: {m: {api: hcx, credential: a}}",
	} {
		if got := checked(t, text); got != "" {
			t.Errorf("got\n%s\nfor\n%s", got, text)
		}
	}
}

// TestMaxAgeOfKubernetes lays out a volume as Kubernetes does.
func TestMaxAgeOfKubernetes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "..2026_01_01"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "..2026_01_01", "password"), "x")
	write(t, filepath.Join(dir, "plain"), "x")
	for name, target := range map[string]string{
		"..data": "..2026_01_01", "password": "..data/password", "through": "password", "absolute": filepath.Join(dir, "password"),
		"circle": "circle", "to-plain": "plain",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "f.yml:4: warning: credentials.a.max_age: Kubernetes rewrites this file whenever it updates or mounts the volume, so its age is not the secret's; use `expires`"
	for name, warned := range map[string]bool{"password": true, "through": true, "absolute": true, "..data/password": true, "plain": false, "to-plain": false} {
		text := fmt.Sprintf("credentials:\n  a:\n    {username: svc, password_file: %q,\n    max_age: 90d}\n", filepath.Join(dir, name)) + around
		if got := checked(t, text); (got == want) != warned || (got == "") == warned {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := checked(t, fmt.Sprintf("credentials:\n  a:\n    {username: svc, password_file: %q,\n    max_age: 90d}\n", filepath.Join(dir, "circle"))+around); !strings.Contains(got, "cannot read this file: too many levels of symbolic links") {
		t.Errorf("a link to itself: %q", got)
	}
}

// TestPublishedConfigurations checks that the configurations of the catalogue and of deploy
// have no warnings.
func TestPublishedConfigurations(t *testing.T) {
	published := 0
	for _, pattern := range []string{"sessionapi/catalogue/*.yml", "deploy/systemd/session_exporter.yml", "deploy/k8s/*/session_exporter.yml", "deploy/k8s/*/*/session_exporter.yml"} {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			published++
			if filepath.Base(file) == "session_exporter.yml" {
				file = filepath.Join(filepath.Dir(file), "*.yml") // with a file per team
			}
			settings, found := config.Check(file)
			if warnings := found.Of(config.Warning); settings == nil || len(warnings) > 0 {
				t.Errorf("%v", found)
			}
		}
	}
	if published < 19 {
		t.Errorf("only %d configurations", published)
	}
}
