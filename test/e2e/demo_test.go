package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo: within ten seconds, a new user sees valid and failing endpoints of every API in the
// demo's metrics.
func TestDemo(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	start := time.Now()
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	shown := want{
		`session_up{api="hcx",endpoint="hcx-healthy"}`:                                   1,
		`session_up{api="dr",endpoint="dr-healthy-srm"}`:                                 1,
		`session_up{api="hcx-hybridity",endpoint="hybridity-healthy"}`:                   1,
		`session_up{api="hcx-hybridity",endpoint="hybridity-sso-unset"}`:                 0,
		`session_up{api="hcx",endpoint="hcx-forbidden"}`:                                 0,
		`session_up{api="dr",endpoint="dr-wrong-password"}`:                              0,
		`session_auth_success{endpoint="hcx-healthy"}`:                                   1,
		`session_auth_success{endpoint="dr-healthy-srm"}`:                                1,
		`session_auth_success{endpoint="hcx-forbidden"}`:                                 1,
		`session_auth_success{endpoint="dr-wrong-password"}`:                             0,
		`session_state{endpoint="hcx-certificate-expired",state="tls_failed"}`:           1,
		`session_state{endpoint="dr-slots-exhausted",state="server_error"}`:              1,
		`session_state{endpoint="hybridity-sso-unset",state="server_error"}`:             1,
		`session_state{endpoint="dr-nobody",state="session_expired"}`:                    1,
		`session_state{endpoint="hcx-behind-login-page",state="invalid_response"}`:       1,
		`session_roles{endpoint="hcx-healthy"}`:                                          2,
		`session_roles{endpoint="dr-healthy-srm"}`:                                       absent, // not part of the API
		`session_info{endpoint="hcx-healthy",username="monitor",organization="DEFAULT"}`: 1,
		`session_info{endpoint="dr-healthy-srm",username="monitor"}`:                     1,
		`session_errors_total{endpoint="hcx-healthy",code="INVALID_SESSION_TOKEN"}`:      0,
	}
	m := x.until(t, func(m metrics) error {
		// The values need not be there at the same time, because the demo keeps changing.
		maps.DeleteFunc(shown, func(selector string, value float64) bool { return m.differ(want{selector: value}) == nil })
		if err := m.differ(shown); err != nil {
			return err
		}
		for _, failing := range []string{`{endpoint="hcx-forbidden",code="NOT_ENOUGH_PRIVILEGES"}`, `{endpoint="dr-slots-exhausted",code="TOO_MANY_SESSIONS"}`} {
			if got := m.sum("session_errors_total" + failing); !(got >= 1) {
				return fmt.Errorf("session_errors_total%s is %v", failing, got)
			}
		}
		return nil
	})
	if took := time.Since(start); took > 10*time.Second+slack {
		t.Errorf("the metrics were complete only after %s", took.Round(time.Second/10))
	}
	for _, endpoint := range []string{"hcx-healthy", "dr-healthy-srm", "hcx-forbidden"} {
		durations := m.series(fmt.Sprintf("session_probe_duration_seconds{endpoint=%q}", endpoint))
		if len(durations) != 1 || durations[0].GetHistogram().GetSampleCount() == 0 || !(durations[0].GetHistogram().GetSampleSum() > 0) {
			t.Errorf("%s has no durations: %v", endpoint, durations)
		}
	}
	for _, text := range []string{"hcx-healthy ", "BEHAVIOR", "Open http://", "The configuration: "} {
		if !strings.Contains(x.stdout.String(), text) {
			t.Errorf("%q is not in:\n%s", text, &x.stdout)
		}
	}
	lint(t, x.get(t, "/metrics"))

	command := exec.Command(tool(t, "promtool"), "check", "metrics")
	command.Stdin = strings.NewReader(x.get(t, "/metrics"))
	if output, err := command.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}

	stopInTime(t, x, os.Interrupt)
	configuration := regexp.MustCompile(`The configuration: (.*)`).FindStringSubmatch(x.stdout.String())
	if _, err := os.Stat(configuration[1]); !os.IsNotExist(err) {
		t.Errorf("%s remains after the exit: %v", configuration[1], err)
	}
}

// TestSimulate: the configuration that simulate prints lets another process probe its
// appliances.
func TestSimulate(t *testing.T) {
	t.Parallel()
	p := launch(t, binary, "simulate")
	var file string
	eventually(t, func() error {
		found := regexp.MustCompile(`Watch them: session_exporter --config.file=(.*)\n`).FindStringSubmatch(p.stdout.String())
		if found == nil {
			return fmt.Errorf("simulate does not print how to watch:\n%s", &p.stdout)
		}
		file = found[1]
		return nil
	})
	if got := run(t, "check-config", file); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := run(t, "probe", "--config.file="+file, "hcx-healthy", "hcx-healthy-basic", "hcx-healthy-bearer", "dr-healthy-srm", "dr-healthy-vr", "hcx-clock-off", "hybridity-healthy"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := run(t, "probe", "--config.file="+file, "hcx-healthy", "dr-wrong-password"); got.code != 1 || !strings.Contains(got.stdout, "dr-wrong-password: credentials_rejected\n") {
		t.Errorf("%+v", got)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &p.stderr)
	}
}
