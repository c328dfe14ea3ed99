package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// The debug output has the result, the requests and responses, and the metrics.
func TestDebug(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{
		State: sessionapi.CredentialsRejected, Diagnosis: "The password was refused.", Advice: "Correct it.", Duration: 250 * time.Millisecond,
		Steps: []probe.StepResult{
			{
				Step: sessionapi.Login, Method: "POST", URL: "https://a.test/login", Status: 401, Code: "BAD", OpID: "op-1", Duration: 20 * time.Millisecond,
				Phases: probe.Phases{TLS: 5 * time.Millisecond, Processing: 12 * time.Millisecond},
				Trace:  &probe.Trace{Request: []string{"Accept: application/json", "Authorization: <not shown>"}, Response: []string{"Date: today"}, Body: "{}"},
			},
			{Step: sessionapi.Check, Method: "GET", URL: "https://a.test/me", NotSent: true, Trace: &probe.Trace{Failure: "cut off"}},
		},
	})
	response := send(s.handler(t), http.MethodGet, "/probe?endpoint=a&debug=true", "Accept", "text/html")
	const want = `a: credentials_rejected
  The password was refused.
  What to do: Correct it.

login: POST https://a.test/login
  401 BAD in 20.0 ms, operation op-1
  resolve    0.00 ms
  connect    0.00 ms
  tls        5.00 ms
  processing 12.0 ms
  transfer   0.00 ms
  > Accept: application/json
  > Authorization: <not shown>
  < Date: today
  <
  < {}

check: GET https://a.test/me
  no connection in 0.00 ms
  resolve    0.00 ms
  connect    0.00 ms
  tls        0.00 ms
  processing 0.00 ms
  transfer   0.00 ms
  ! cut off

Metrics that would have been returned:
# HELP probe_duration_seconds How long the probe took.
# TYPE probe_duration_seconds gauge
probe_duration_seconds 0.25
`
	body := response.Body.String()
	if response.Code != http.StatusOK || !strings.HasPrefix(body, want) || !strings.Contains(body, `session_up{api="hcx",endpoint="a"} 0`) {
		t.Errorf("status %d, got\n%s", response.Code, body)
	}
	if kind := response.Header().Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", kind)
	}
}
