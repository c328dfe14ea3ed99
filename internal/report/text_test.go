package report

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/internal/golden"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// newProbed returns a result, with one request unless took is 0.
func newProbed(name string, state sessionapi.State, took time.Duration, diagnosis string) collector.EndpointResult {
	p := collector.EndpointResult{Endpoint: &config.Endpoint{Name: name}, Result: probe.Result{State: state, Diagnosis: diagnosis, Duration: took}}
	if state != sessionapi.Valid {
		p.Result.Advice = "Do something about it."
	}
	if took > 0 {
		p.Result.Steps = []probe.StepResult{{Step: sessionapi.Check, Method: "GET", URL: "https://" + name + ".example.com/session", Status: 200, Duration: took}}
	}
	return p
}

// mixed returns results of all kinds: valid, failed, and not attempted.
func mixed() []collector.EndpointResult {
	found := []collector.EndpointResult{
		newProbed("hcx-a", sessionapi.Valid, 23345*time.Microsecond, `Logged in as "monitor".`),
		newProbed("hcx-b", sessionapi.LoginSuspended, 0, "Nothing was sent, because another refusal could lock the account."),
		newProbed("dr-a", sessionapi.Timeout, 10003*time.Millisecond, "No complete response to the check from 127.0.0.1:43513 within 10s: the request was sent, and no response arrived."),
		newProbed("hcx-c", sessionapi.Unexpected, 450*time.Microsecond, `The session of "monitor" lacks the role "Administrator".`),
		newProbed("dr-b", sessionapi.Valid, 1234*time.Millisecond, `Logged in as "monitor".`),
		newProbed("dr-c", sessionapi.CredentialsRejected, 9*time.Millisecond, `Wrong password for "monitor".`),
		newProbed("dr-d", sessionapi.Timeout, 10001*time.Millisecond, "No complete response to the check from 127.0.0.1:43514 within 10s: the connection was not made."),
	}
	found[2].Result.Steps[0].Status = 0
	found[5].Result.Steps[0].Status, found[5].Result.Steps[0].Code = 401, "INVALID_CREDENTIALS"
	return found
}

// unruly returns results whose names and texts are wide, reorder text, or are not printable.
func unruly() []collector.EndpointResult {
	return []collector.EndpointResult{
		newProbed("a name with spaces, and long", sessionapi.Valid, time.Millisecond, "All is well."),
		newProbed("東京-データセンター", sessionapi.Forbidden, time.Millisecond, "東京は許可されていません。"),
		newProbed("Zu\u0308rich", sessionapi.Valid, time.Millisecond, "All is well."),
		newProbed("rtl\u202efdp\u2066", sessionapi.Unreachable, time.Millisecond, "A\u2028line\u200b."),
		newProbed("\x1b[2J\u009b31m\r\n", sessionapi.Unreachable, time.Millisecond, "\x1b]0;title\a"),
		newProbed("bad\xffutf8", sessionapi.Valid, time.Millisecond, "All is well."),
	}
}

// TestText compares the output with golden files.
func TestText(t *testing.T) {
	for _, tc := range []struct {
		name     string
		found    []collector.EndpointResult
		overview bool
		style    style
	}{
		{"explained", mixed()[:3], false, style{}},
		{"explained-colors", mixed()[:3], false, style{true, 80}},
		{"overview", mixed(), true, style{}},
		{"overview-colors", mixed(), true, style{true, 0}}, // --color=always, into a pipe
		{"overview-80", mixed(), true, style{false, 80}},   // NO_COLOR
		{"overview-80-colors", mixed(), true, style{true, 80}},
		{"overview-40", mixed(), true, style{false, 40}},
		{"overview-one", mixed()[:1], true, style{}},
		{"overview-none", nil, true, style{}},
		{"unruly", unruly(), true, style{}},
		{"unruly-60", unruly(), true, style{false, 60}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := tc.style.text(tc.found, tc.overview)
			golden.Check(t, filepath.Join("testdata", tc.name+".txt"), []byte(out))
			if !tc.style.colors && strings.ContainsAny(out, "\x1b\u009b\r\u202e") {
				t.Errorf("control characters are printed: %q", out)
			}
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestTextFails(t *testing.T) {
	if Text(broken{}, mixed(), false, "never") == nil {
		t.Error("no error")
	}
}
