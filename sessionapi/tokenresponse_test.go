package sessionapi

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Some servers send error responses in a form other than that of RFC 6749.
func TestTokenErrors(t *testing.T) {
	for _, c := range []struct{ contentType, body, code, message string }{
		{"text/plain", "invalid_client", "invalid_client", ""},
		{"text/plain; charset=utf-8", "invalid_grant: token expired\n", "invalid_grant", "token expired"},
		{"text/plain", "error=invalid_client", "invalid_client", ""},
		{"text/plain", "who is that?", "", ""},
		{"text/html", "invalid_client", "", ""},
		{"application/json", `{"message": "invalid_grant: Invalid refresh token", "statusCode": 400}`, "invalid_grant", "Invalid refresh token"},
		{"application/json", `{"error": "invalid_client", "message": "invalid_grant: x"}`, "invalid_client", "invalid_grant: x"},
		{"application/json", `{"message": "try later: soon"}`, "", "try later: soon"},
	} {
		in, _ := InterpretToken(Response{Status: 400, Header: http.Header{"Content-Type": {c.contentType}}, Body: []byte(c.body)}, time.Unix(0, 0))
		if in.Code != c.code || in.Message != c.message || (in.State == CredentialsRejected) != (c.code != "") {
			t.Errorf("%s: code %q, message %q, %s; want %q, %q", c.body, in.Code, in.Message, in.State, c.code, c.message)
		}
	}
}

// The refresh token and the ID token are returned too, so that they are masked.
func TestFurtherTokensAreReturned(t *testing.T) {
	const body = `{"access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 1799}`
	in, issued := InterpretToken(Response{Status: 200, Body: []byte(body)}, time.Unix(1_800_000_000, 0))
	if in.State != Valid || in.Token.Reveal() != "a" || issued.RefreshToken.Reveal() != "r" || issued.IDToken.Reveal() != "i" || issued.Expires.Unix() != 1_800_001_799 {
		t.Errorf("%s, expires %s", in.State, issued.Expires)
	}
}

func FuzzTokenResponse(f *testing.F) {
	for _, body := range []string{`{"access_token": "t", "expires_in": "3599"}`, "access_token=t", `{"error": "invalid_client"}`, "\ufeff{}", "null"} {
		f.Add(200, "text/plain", body)
		f.Add(400, "application/json", body)
	}
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		response := Response{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
		interpretation, issued := InterpretToken(response, time.Unix(0, 0))
		valid := interpretation.State == Valid
		if valid != (response.OK() && interpretation.Code == "" && strings.TrimSpace(interpretation.Token.Reveal()) != "" && HeaderSafe(interpretation.Token)) {
			t.Errorf("valid is %t for %+v", valid, interpretation)
		}
		if issued.Expires.Before(time.Unix(0, 0)) && !issued.Expires.IsZero() {
			t.Errorf("expires at %s, before the request", issued.Expires)
		}
	})
}
