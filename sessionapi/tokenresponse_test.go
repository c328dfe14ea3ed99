package sessionapi

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

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
			t.Errorf("%+v", interpretation)
		}
		if issued.Expires.Before(time.Unix(0, 0)) && !issued.Expires.IsZero() {
			t.Errorf("expires %s", issued.Expires)
		}
	})
}
