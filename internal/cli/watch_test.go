package cli

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/simulator"
)

// lines is an output that calls next with all of its text after each write.
type lines struct {
	mu   sync.Mutex // guards the buffer; held during next
	text bytes.Buffer
	next func(text string)
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(text)
	l.next(l.text.String())
	return n, err
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// watchUntil runs probe --watch until its stdout satisfies a condition.
func watchUntil(t *testing.T, flags []string, until func(text string) bool) (code int, stdout, stderr string) {
	t.Helper()
	ctx, interrupt := context.WithTimeout(t.Context(), 30*time.Second)
	defer interrupt()
	out := &lines{next: func(text string) {
		if until(text) {
			interrupt()
		}
	}}
	var errOut bytes.Buffer
	code = Run(ctx, append(flags, "--watch", "--interval=100ms"), out, &errOut)
	return code, out.String(), errOut.String()
}

// A watch holds its session, explains changes once, and logs out at the end.
func TestWatch(t *testing.T) {
	appliance, flags, _ := newAppliance(t)
	code, stdout, stderr := watchUntil(t, flags, func(text string) bool {
		if strings.Count(text, ": valid") == 3 && !strings.Contains(text, "server_error") {
			appliance.Change(func(s *simulator.Settings) {
				s.Faults = []simulator.Fault{{On: simulator.Check, Status: http.StatusInternalServerError, Times: 2}}
			})
		}
		return strings.Count(text, ": valid") == 5
	})
	if code != exitOK || stderr != "" || strings.Count(stdout, ": server_error (was valid)") != 1 || strings.Count(stdout, ": server_error in") != 1 || strings.Count(stdout, ": valid (was server_error)") != 1 {
		t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
	if strings.Count(stdout, "Logged in as") != 2 || strings.Count(stdout, "What to do:") != 1 {
		t.Errorf("want one explanation for each change:\n%s", stdout)
	}
	if stats := appliance.Stats(); stats.Logins != 1 || stats.Logouts != 1 {
		t.Errorf("%+v", stats)
	}
}

// A watch never locks the account, and notices that the secret was corrected.
func TestWatchWithWrongPassword(t *testing.T) {
	appliance, flags, file := newAppliance(t)
	must(t, os.WriteFile(file, []byte("wrong"), 0o600))
	code, stdout, _ := watchUntil(t, append(flags, "-o", "json"), func(text string) bool {
		return strings.Count(text, `"state":"login_suspended"`) == 5
	})
	if code != exitFailed || strings.Count(stdout, `"state":"credentials_rejected"`) != 1 {
		t.Errorf("exit code %d, stdout:\n%s", code, stdout)
	}
	if stats := appliance.Stats(); stats.Refusals != 1 {
		t.Errorf("%+v", stats)
	}
	code, stdout, _ = watchUntil(t, flags, func(text string) bool {
		if strings.Contains(text, ": login_suspended (was credentials_rejected)") {
			_ = os.WriteFile(file, []byte("right"), 0o600)
		}
		return strings.Contains(text, ": valid (was login_suspended)")
	})
	if code != exitOK {
		t.Errorf("exit code %d, stdout:\n%s", code, stdout)
	}
}
