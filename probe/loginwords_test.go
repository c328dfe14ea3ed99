package probe

import (
	"testing"

	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// The definition of dr in the catalogue interprets codes as the built-in API does.
func TestDescribedGatewayInterpretsTheSameCodes(t *testing.T) {
	for _, code := range []string{
		"USER_LOCKED_OUT", "ACCOUNT_DISABLED", "PASSWORD_EXPIRED", "LOGIN_ATTEMPTS_EXCEEDED", "ACCESS_DENIED", "FORBIDDEN",
		"INSUFFICIENT_PRIVILEGES", "PERMISSION_DENIED", "SESSION_LIMIT_EXCEEDED", "INTERNAL_ERROR", "INVALID_ARGUMENT",
		"INVALID_CREDENTIALS", "AUTHENTICATION_FAILED", "LOGIN_REFUSED", "SESSION_NOT_FOUND", "E17", "",
	} {
		for _, step := range []sessionapi.Step{sessionapi.Login, sessionapi.Check} {
			for _, status := range []int{400, 401, 403, 422, 500} {
				x := &exchange{step: step, Exchange: transport.Exchange{Response: sessionapi.Response{Status: status, Body: []byte(`{"error_code":"` + code + `"}`)}}}
				x.interpretation = builtIn["dr"].Interpret(step, x.Response)
				want := x.state(sessionapi.AuthLogin)
				x.interpretation = definition("dr").Interpret(step, x.Response)
				if got := x.state(sessionapi.AuthLogin); got != want {
					t.Errorf("%s %d %q: %s, want %s as built in", step, status, code, got, want)
				}
			}
		}
	}
}
