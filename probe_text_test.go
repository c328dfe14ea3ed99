package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

var update = flag.Bool("update", false, "write what is printed into testdata")

// checkFile compares what was printed with a file of testdata.
func checkFile(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has\n%s\nand this was printed:\n%s", file, want, got)
	}
}

// newProbed is what was found of an endpoint, with one request if it took any time.
func newProbed(name string, state probe.State, took time.Duration, diagnosis string) collector.Probed {
	p := collector.Probed{Endpoint: &config.Endpoint{Name: name}, Result: probe.Result{State: state, Diagnosis: diagnosis, Duration: took}}
	if state != probe.Valid {
		p.Result.Advice = "Do something about it."
	}
	if took > 0 {
		p.Result.Steps = []probe.StepResult{{Step: probe.Check, Method: "GET", URL: "https://" + name + ".example.com/session", Status: 200, Duration: took}}
	}
	return p
}

// mixed is found where things go well, badly, and were not even tried.
func mixed() []collector.Probed {
	found := []collector.Probed{
		newProbed("hcx-a", probe.Valid, 23345*time.Microsecond, `The appliance says that "monitor" is logged in.`),
		newProbed("hcx-b", probe.LoginSuspended, 0, "Nothing was sent, for the account would be locked otherwise."),
		newProbed("dr-a", probe.Timeout, 10003*time.Millisecond, "127.0.0.1:43513 did not answer the check completely within 10s: the request was sent and no answer began."),
		newProbed("hcx-c", probe.Unexpected, 450*time.Microsecond, `The session of "monitor" has not the role "Administrator".`),
		newProbed("dr-b", probe.Valid, 1234*time.Millisecond, `The appliance says that "monitor" is logged in.`),
		newProbed("dr-c", probe.CredentialsRejected, 9*time.Millisecond, `The appliance refused the password of "monitor".`),
		newProbed("dr-d", probe.Timeout, 10001*time.Millisecond, "127.0.0.1:43514 did not answer the check completely within 10s: the connection was not made."),
	}
	found[2].Result.Steps[0].Status = 0
	found[5].Result.Steps[0].Status, found[5].Result.Steps[0].Code = 401, "INVALID_CREDENTIALS"
	return found
}

// unruly has names that the configuration may have, and that are not letters and digits.
func unruly() []collector.Probed {
	return []collector.Probed{
		newProbed("a name with spaces, and long", probe.Valid, time.Millisecond, "All is well."),
		newProbed("東京-データセンター", probe.Forbidden, time.Millisecond, "東京は許可されていません。"),
		newProbed("Zu\u0308rich", probe.Valid, time.Millisecond, "All is well."),
		newProbed("rtl\u202efdp\u2066", probe.Unreachable, time.Millisecond, "A\u2028line\u200b."),
		newProbed("\x1b[2J\u009b31m\r\n", probe.Unreachable, time.Millisecond, "\x1b]0;title\a"),
		newProbed("bad\xffutf8", probe.Valid, time.Millisecond, "All is well."),
	}
}

// TestPrinted compares what is printed with files, which hold it byte for byte.
func TestPrinted(t *testing.T) {
	for _, tc := range []struct {
		name     string
		found    []collector.Probed
		overview bool
		look     look
	}{
		{"explained", mixed()[:3], false, look{}},
		{"explained-colors", mixed()[:3], false, look{true, 80}},
		{"overview", mixed(), true, look{}},
		{"overview-colors", mixed(), true, look{true, 0}}, // --color=always, into a pipe
		{"overview-80", mixed(), true, look{false, 80}},   // NO_COLOR
		{"overview-80-colors", mixed(), true, look{true, 80}},
		{"overview-40", mixed(), true, look{false, 40}},
		{"overview-one", mixed()[:1], true, look{}},
		{"overview-none", nil, true, look{}},
		{"unruly", unruly(), true, look{}},
		{"unruly-60", unruly(), true, look{false, 60}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			printed := printText
			if tc.overview {
				printed = printOverview
			}
			var out bytes.Buffer
			if err := printed(&out, tc.found, tc.look); err != nil {
				t.Fatal(err)
			}
			checkFile(t, filepath.Join("probe", tc.name+".txt"), out.Bytes())
			if !tc.look.colors && bytes.ContainsAny(out.Bytes(), "\x1b\u009b\r\u202e") {
				t.Errorf("control characters are printed: %q", &out)
			}
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPrintingFails(t *testing.T) {
	if printText(broken{}, mixed(), look{}) == nil || printOverview(broken{}, mixed(), look{}) == nil {
		t.Error("no error")
	}
}
