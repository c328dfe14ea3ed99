package sessionapi

import (
	"encoding/base64"
	"testing"

	"session_exporter/secret"
)

// unsigned returns a JWT with these claims, whose signature is not valid.
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
		{"not a JWT", "4636e751-ca87-42d4-a7fc-809b31fbbd82", 0},
		{"three parts that are not JSON", "a.b.c", 0},
		{"empty", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := JWTExpiry(secret.New(c.token))
			if c.want == 0 && !got.IsZero() || c.want != 0 && got.Unix() != c.want {
				t.Errorf("expires at %s (Unix %d), want %d", got, got.Unix(), c.want)
			}
		})
	}
}
