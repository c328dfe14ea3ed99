package probe

import (
	"strings"
	"testing"

	"session_exporter/sessionapi"
)

// Every state that a described API may name is found, and explained with the response.
func TestResponseStates(t *testing.T) {
	for _, state := range sessionapi.ResponseStates() {
		e := endpointOf(t, whoAmI+`
    answer: {username: body.name}
    states: [{when: ok, state: `+string(state)+`}]
`, sessionapi.AuthToken)
		r := mustProbe(t, piped(t, e, reply{200, nil, `{"name": "alice"}`}))
		if r.State != state || !strings.Contains(r.Diagnosis, "200") || r.Advice == "" {
			t.Errorf("%s: %s: %s %s", state, r.State, r.Diagnosis, r.Advice)
		}
	}
}
