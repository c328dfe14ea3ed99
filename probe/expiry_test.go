package probe

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"session_exporter/config"
)

func unsigned(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".c2ln"
}

func TestJWTExpiry(t *testing.T) {
	for _, c := range []struct {
		name, token string
		want        int64 // Unix; 0: none
	}{
		{"valid", unsigned(`{"exp": 1800000000}`), 1800000000},
		{"fraction", unsigned(`{"exp": 1800000000.5}`), 1800000000},
		{"passed", unsigned(`{"exp": 1000000000}`), 1000000000},
		{"absent", unsigned(`{"sub": "alice"}`), 0},
		{"null", unsigned(`{"exp": null}`), 0},
		{"zero", unsigned(`{"exp": 0}`), 0},
		{"negative", unsigned(`{"exp": -5}`), 0},
		{"milliseconds", unsigned(`{"exp": 1800000000000}`), 0},
		{"absurd", unsigned(`{"exp": 1e300}`), 0},
		{"beyond int64", unsigned(`{"exp": 99999999999999999999}`), 0},
		{"text", unsigned(`{"exp": "soon"}`), 0},
		{"no JWT", "4636e751-ca87-42d4-a7fc-809b31fbbd82", 0},
		{"dots", "a.b.c", 0},
		{"empty", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := jwtExpiry(config.NewSecret(c.token))
			if c.want == 0 && !got.IsZero() || c.want != 0 && got.Unix() != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

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
		{"nothing", func(c *config.Credential) { c.Secret = config.SecretSource{Inline: config.NewSecret("x")} }, map[string]time.Time{}},
		{"jwt", func(*config.Credential) {}, map[string]time.Time{"jwt": time.Unix(1800000000, 0)}},
		{"expires", func(c *config.Credential) { c.Expires = stated }, map[string]time.Time{"config": stated, "jwt": time.Unix(1800000000, 0)}},
		{"max_age", func(c *config.Credential) { c.MaxAge = time.Hour }, map[string]time.Time{"config": changed.Add(time.Hour), "jwt": time.Unix(1800000000, 0)}},
		{"max_age of no file", func(c *config.Credential) {
			c.MaxAge, c.Secret = time.Hour, config.SecretSource{Inline: config.NewSecret("x")}
		}, map[string]time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := endpointFor("dr", config.AuthToken)
			e.Credential.Secret = config.SecretSource{File: file}
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
