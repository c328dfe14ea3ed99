package probe

import (
	"strings"
	"testing"

	"session_exporter/sessionapi"
)

// A rule of a described API may name any state of ResponseStates. The diagnosis names the
// response, and is a whole sentence even if the rule has no `why`.
func TestResponseStates(t *testing.T) {
	for _, state := range sessionapi.ResponseStates() {
		e := endpointOf(t, whoAmI+`
    answer: {username: body.name}
    states: [{when: ok, state: `+string(state)+`}]
`, sessionapi.AuthToken)
		r := mustProbe(t, piped(t, e, reply{200, nil, `{"name": "alice"}`}))
		if r.State != state || !strings.Contains(r.Diagnosis, "200") || strings.Contains(r.Diagnosis, " :") || r.Advice == "" {
			t.Errorf("a rule for %s gives %s: %s %s", state, r.State, r.Diagnosis, r.Advice)
		}
	}
}
