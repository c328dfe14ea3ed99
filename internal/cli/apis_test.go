package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPIs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "session_exporter.yml")
	const own = `apis:
  own: {session: [{from: header, name: x}], check: {path: /me}, answer: {username: body.user}}
modules: {m: {api: own}}
`
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.yml")
	if err := os.WriteFile(broken, []byte(strings.Replace(own, "body.user", "bodi.user", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	if code := Run(t.Context(), []string{"check-config", broken}, &stderr, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "broken.yml:2:84: apis.own.answer.username: ") {
		t.Errorf("check-config exits with %d and prints\n%s", code, stderr.String())
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string // lines, or parts of them
	}{
		{"without a configuration", []string{"--config.file=" + dir + "/none.yml"}, exitOK, []string{"dr", "hcx", "built in", "login, basic, token, bearer"}},
		{"with a configuration", []string{"--config.file=" + file}, exitOK, []string{"own", "configuration", "token"}},
		{"an API of the configuration", []string{"--config.file=" + file, "own"}, exitOK, []string{"apis:\n  own:\n    session:\n", "      username: body.user\n"}},
		{"an API of the catalogue", []string{"--config.file=" + dir + "/none.yml", "hcx"}, exitOK, []string{"apis:\n  hcx:\n", "authType: $auth_type"}},
		{"an unknown API", []string{"--config.file=" + file, "soap"}, exitUsage, []string{`unknown API "soap"; available: `, "hcx, ", "own"}},
		{"an error in the configuration", []string{"--config.file=" + broken}, exitUsage, []string{"hcx", "built in", "couchdb", "broken.yml:2:84: apis.own.answer.username: undeclared reference, did you mean `body`?"}},
		{"an API of the catalogue, and an error in the configuration", []string{"--config.file=" + broken, "couchdb"}, exitOK, []string{"apis:\n  couchdb:\n", "broken.yml:2:84: apis.own.answer.username: "}},
		{"a built-in API, and an error in the configuration", []string{"--config.file=" + broken, "dr"}, exitOK, []string{"dr", "broken.yml:2:84: apis.own.answer.username: "}},
		{"an unknown API, and an error in the configuration", []string{"--config.file=" + broken, "own"}, exitUsage, []string{"broken.yml:2:84: apis.own.answer.username: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			code := Run(t.Context(), append([]string{"apis"}, c.args...), &out, &out)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
		})
	}
}
