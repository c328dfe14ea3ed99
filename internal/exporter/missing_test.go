package exporter

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const missingSecrets = `
credentials:
  inline: {username: monitor, password: right}
  file: {username: monitor, password_file: later}
  env: {username: monitor, password_env: SESSION_EXPORTER_TEST_LATER}
  client: {oauth2: {client_id: exporter, client_secret_file: never, token_url: "https://sso.example.com/token"}}
modules:
  hcx: {api: hcx, credential: inline}
endpoints:
  - {name: inline, url: "http://inline.test", module: hcx}
  - {name: file, url: "http://file.test", module: hcx, credential: file}
  - {name: env, url: "http://env.test", module: hcx, credential: env}
  - {name: client, url: "http://client.test", module: hcx, credential: client}
  - {name: header, url: "http://header.test", module: hcx, http_headers: {X-Tenant: {files: [tenant]}}}
`

// TestMissingSecrets starts and reloads with secrets that cannot be read. Only the endpoints
// that need them are affected, and the secrets are used without a reload once they can be
// read.
func TestMissingSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, slog.New(slog.NewTextHandler(&log, nil)))
		for _, name := range []string{"inline", "file", "env", "client", "header"} {
			w.add(name, newAppliance("api: hcx", account("right")))
		}
		w.load(missingSecrets)
		for _, line := range []string{"line=4 key=credentials.file.password_file", "line=5 key=credentials.env.password_env", "line=6 key=credentials.client.oauth2.client_secret_file", "line=14 key=endpoints[4].http_headers.X-Tenant.files[0]"} {
			if !strings.Contains(log.String(), `level=WARN msg="cannot read a secret; its endpoints are credential_missing" file=`+filepath.Join(w.dir, "session_exporter.yml")+" "+line+" ") {
				t.Errorf("no warning at %s in\n%s", line, log.String())
			}
		}
		w.start()
		time.Sleep(2 * time.Minute)
		check := func(when string, missing ...string) {
			t.Helper()
			now := w.scrape()
			if got := states(now); got["credential_missing"] != len(missing) || got["valid"] != 5-len(missing) {
				t.Errorf("%s, the states are %v", when, got)
			}
			want(t, now, series{"session_up", "inline", ""}, 1)
			want(t, now, series{"session_exporter_config_last_reload_successful", "", ""}, 1)
		}
		check("at first", "file", "env", "client", "header")
		logged := log.Len()
		w.load(missingSecrets)
		if again := log.String()[logged:]; strings.Contains(again, "credential_missing") || strings.Contains(again, "configuration warning") {
			t.Errorf("a reload that changes nothing warns again:\n%s", again)
		}
		w.write("later", "right\n")
		w.write("tenant", "a\n")
		t.Setenv("SESSION_EXPORTER_TEST_LATER", "right")
		time.Sleep(2 * time.Minute)
		check("once they can be read", "client")
		if err := os.Remove(filepath.Join(w.dir, "later")); err != nil {
			t.Fatal(err)
		}
		w.load(strings.Replace(missingSecrets, "password_file: later", "password_file: later, max_age: 90d", 1))
		time.Sleep(2 * time.Minute)
		if got := w.total(refusals); got != 0 {
			t.Errorf("%d logins were refused, want none", got)
		}
		check("after a reload without the file, while the session is still held", "client")
	})
}
