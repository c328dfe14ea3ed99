package sessionapi

import (
	"net/http"
	"strings"
	"testing"

	"session_exporter/secret"
)

// The Spec of each built-in API matches its requests, which can be sent.
func TestSpecs(t *testing.T) {
	for name, api := range BuiltIn() {
		spec := api.Spec()
		if len(spec.SessionHeaders) != 1 || spec.SessionHeaders[0] != http.CanonicalHeaderKey(spec.SessionHeaders[0]) || len(spec.Auth) == 0 {
			t.Errorf("%s does not have exactly one canonical session header, or has no auth: %+v", name, spec)
		}
		for _, step := range []Step{Check, Login, Logout} {
			request := api.Request(step, Account{Username: "alice", Password: secret.New("x")})
			if step == Logout && request.Method == "" {
				continue // the API has no logout
			}
			if request.Method == "" || !strings.HasPrefix(request.Path, "/") || step == Login && request.Basic != spec.LoginByBasic {
				t.Errorf("%s: the request of %s is incomplete, or does not match LoginByBasic: %+v", name, step, request)
			}
		}
	}
}
