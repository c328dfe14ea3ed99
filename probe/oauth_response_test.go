package probe

import (
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// Token responses have the forms that real servers send. A token is used until it expires, or
// for all eight probes; an absurd lifetime gives no expiry.
func TestTokenResponses(t *testing.T) {
	const never = 0
	bearer := func(expiresIn string) string {
		return `{"access_token": "` + canaryToken + `-0", "token_type": "Bearer", "expires_in": ` + expiresIn + `}`
	}
	for _, c := range []struct {
		name, contentType, body string
		expires                 time.Duration // after the request
		fetched                 int           // in eight probes, a minute apart
	}{
		{"JSON", "application/json", bearer("3599"), 3599 * time.Second, 1},
		{"JSON as text", "text/plain", bearer("3599"), 3599 * time.Second, 1},
		{"JSON as text with a charset", "text/plain;charset=UTF-8", bearer("3599"), 3599 * time.Second, 1},
		{"JSON as a form", "application/x-www-form-urlencoded", bearer("3599"), 3599 * time.Second, 1},
		{"malformed Content-Type", ";;", bearer("3599"), 3599 * time.Second, 1},
		{"byte-order mark", "application/json", "\ufeff" + bearer("3599"), 3599 * time.Second, 1},
		{"form", "application/x-www-form-urlencoded", "access_token=" + canaryToken + "-0&expires_in=3599&token_type=bearer", 3599 * time.Second, 1},
		{"form as text", "text/plain", "access_token=" + canaryToken + "-0&expires_in=3599", 3599 * time.Second, 1},
		{"no Content-Type", "", `{"access_token": "` + canaryToken + `-0"}`, never, 1},
		{"token_type bearer", "application/json", `{"access_token": "` + canaryToken + `-0", "token_type": "bEaReR"}`, never, 1},
		{"token_type of another type", "application/json", `{"access_token": "` + canaryToken + `-0", "token_type": 5}`, never, 1},
		{"error that is null", "application/json", `{"access_token": "` + canaryToken + `-0", "error": null, "scope": ["a"]}`, never, 1},
		{"3599.0", "application/json", bearer("3599.0"), 3599 * time.Second, 1},
		{"3.599e3", "application/json", bearer("3.599e3"), 3599 * time.Second, 1},
		{"fraction", "application/json", bearer("150.25"), 150250 * time.Millisecond, 3},
		{"quoted number", "application/json", bearer(`"3599"`), 3599 * time.Second, 1},
		{"quoted fraction with spaces", "application/json", bearer(`" 3599.5 "`), 3599500 * time.Millisecond, 1},
		{"short", "application/json", bearer("130"), 130 * time.Second, 4},
		{"shorter than an interval", "application/json", bearer("15"), 15 * time.Second, 8},
		{"shorter than the margin", "application/json", bearer("0.5"), 500 * time.Millisecond, 8},
		{"-1", "application/json", bearer("-1"), never, 1},
		{"quoted -1", "application/json", bearer(`"-1"`), never, 1},
		{"0", "application/json", bearer("0"), never, 1},
		{"0.0", "application/json", bearer("0.0"), never, 1},
		{"null", "application/json", bearer("null"), never, 1},
		{"empty text", "application/json", bearer(`""`), never, 1},
		{"word", "application/json", bearer(`"never"`), never, 1},
		{"NaN", "application/json", bearer(`"NaN"`), never, 1},
		{"infinite", "application/json", bearer(`"Infinity"`), never, 1},
		{"true", "application/json", bearer("true"), never, 1},
		{"object", "application/json", bearer(`{"seconds": 5}`), never, 1},
		{"2^31", "application/json", bearer("2147483648"), 2147483648 * time.Second, 1},
		{"2^63", "application/json", bearer("9223372036854775808"), never, 1},
		{"1e400", "application/json", bearer("1e400"), never, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &authServer{response: reply{200, map[string]string{"Content-Type": c.contentType}, c.body}}
				p := a.prober(t)
				begin := time.Now()
				results := probesFor(t, p, 8*time.Minute)
				if n := states(results); n[sessionapi.Valid] != 8 {
					t.Fatalf("states %v: %s", n, results[0].Diagnosis)
				}
				expires, known := results[0].CredentialExpiries["oauth2"]
				if known != (c.expires != never) || known && !expires.Equal(begin.Add(c.expires)) {
					t.Errorf("expires at %s, known: %t; want %s after the request (0: unknown)", expires, known, c.expires)
				}
				if _, requests := a.counts(); requests != c.fetched {
					t.Errorf("%d token requests, want %d", requests, c.fetched)
				}
			})
		})
	}
}

// A token without an expiry is used until it is refused.
func TestTokenWithoutExpiryIsUsedUntilRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: -1}
		p := a.prober(t)
		probesFor(t, p, 24*time.Hour)
		if given, _ := a.counts(); given != 1 {
			t.Errorf("%d tokens in a day, want 1", given)
		}
		a.mu.Lock()
		a.accepted = 2
		a.mu.Unlock()
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 1 {
			t.Errorf("%s after %d token requests, want valid after 1: %s", r.State, r.Logins, r.Diagnosis)
		}
	})
}
