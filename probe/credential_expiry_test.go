package probe

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// unsigned returns a JWT with these claims, whose signature is not valid.
func unsigned(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".c2ln"
}

// Each source of an expiry is reported: the configuration, and the token itself if it is a
// JWT.
func TestCredentialExpiries(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, unsigned(`{"exp": 1800000000}`))
	changed := time.Unix(1750000000, 0)
	if err := os.Chtimes(file, changed, changed); err != nil {
		t.Fatal(err)
	}
	stated := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		change func(*config.Credential)
		want   map[string]time.Time
	}{
		{"nothing", func(c *config.Credential) { c.Secret = secret.Source{Inline: secret.New("x")} }, map[string]time.Time{}},
		{"jwt", func(*config.Credential) {}, map[string]time.Time{"jwt": time.Unix(1800000000, 0)}},
		{"expires", func(c *config.Credential) { c.Expires = stated }, map[string]time.Time{"config": stated, "jwt": time.Unix(1800000000, 0)}},
		{"max_age", func(c *config.Credential) { c.MaxAge = time.Hour }, map[string]time.Time{"config": changed.Add(time.Hour), "jwt": time.Unix(1800000000, 0)}},
		{"max_age without a file", func(c *config.Credential) {
			c.MaxAge, c.Secret = time.Hour, secret.Source{Inline: secret.New("x")}
		}, map[string]time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := endpointFor("dr", sessionapi.AuthToken)
			e.Credential.Secret = secret.Source{File: file}
			c.change(e.Credential)
			r := mustProbe(t, piped(t, e, reply{status: 200, body: drOK}))
			if len(r.CredentialExpiries) != len(c.want) {
				t.Errorf("got %v, want %v", r.CredentialExpiries, c.want)
			}
			for source, want := range c.want {
				if got := r.CredentialExpiries[source]; !got.Equal(want) {
					t.Errorf("%s: %s, want %s", source, got, want)
				}
			}
		})
	}
}
