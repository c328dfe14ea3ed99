package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/config"
	"session_exporter/simulator"
)

// TestFailingScript checks that a failing script stops the demo.
func TestFailingScript(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	must(t, os.Mkdir(dir, 0o700))
	fleet, err := simulator.NewFleet(dir)
	must(t, err)
	defer fleet.Close()
	must(t, os.RemoveAll(dir)) // one script writes a token into it immediately
	err = whileScriptsRun(t.Context(), fleet, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want one about a file that cannot be written", err)
	}
}

// The configuration of the simulated appliances raises no warning.
func TestDemoConfigurationHasNoProblems(t *testing.T) {
	dir := t.TempDir()
	fleet, err := simulator.NewFleet(dir)
	must(t, err)
	defer fleet.Close()
	settings, err := config.Parse([]byte(fleet.Config()), filepath.Join(dir, "session_exporter.yml"))
	must(t, err)
	if len(settings.Problems) > 0 {
		t.Error(settings.Problems)
	}
}

// The `probe` command that `simulate` prints succeeds.
func TestProbeCommandOfFleet(t *testing.T) {
	fleet, err := simulator.NewFleet(t.TempDir())
	must(t, err)
	defer fleet.Close()
	code, stdout, stderr := runWith(t, t.Context(), strings.Fields(fleet.ProbeCommand())[1:]...)
	if code != exitOK || stderr != "" || !strings.Contains(stdout, ": valid\n") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

// The root file system of a container may be read-only, or have no /tmp.
func TestDemoWithoutTempDir(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	dir, err := makeTempDir()
	if _, noMemory := os.Stat("/dev/shm"); noMemory != nil { // not on Linux
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v, want one about the missing directory", err)
		}
		return
	}
	must(t, err)
	must(t, os.Remove(dir))
}

// TestLinks checks that the printed links lead to pages that are served.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "tls.yml"), []byte("tls_server_config: {cert_file: cert.pem, key_file: cert.key, min_version: TLS13}\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "password.yml"), []byte("basic_auth_users: {alice: hash}\n"), 0o600))
	for _, c := range []struct {
		name string
		args []string
		want string // the links, or the error
	}{
		{"no flags", nil, "http://127.0.0.1:10987/ http://127.0.0.1:10987/metrics"},
		{"every address", []string{"--web.listen-address=:80", "--web.listen-address=[::1]:81"}, "http://127.0.0.1:80/ http://127.0.0.1:80/metrics http://[::1]:81/ http://[::1]:81/metrics"},
		{"prefix", []string{"--web.route-prefix=in/", "--web.telemetry-path=/m"}, "http://127.0.0.1:10987/in/ http://127.0.0.1:10987/in/m"},
		{"external URL", []string{"--web.external-url=https://example.com/out"}, "http://127.0.0.1:10987/out/ http://127.0.0.1:10987/out/metrics"},
		{"both", []string{"--web.external-url=https://example.com/out", "--web.route-prefix=/"}, "http://127.0.0.1:10987/ http://127.0.0.1:10987/metrics"},
		{"TLS", []string{"--web.config.file=" + dir + "/tls.yml"}, "https://127.0.0.1:10987/ https://127.0.0.1:10987/metrics"},
		{"passwords without TLS", []string{"--web.config.file=" + dir + "/password.yml"}, "http://127.0.0.1:10987/ http://127.0.0.1:10987/metrics"},
		{"wrong", []string{"--web.external-url=out"}, `--web.external-url is "out"; it must be a URL such as https://example.com/session_exporter`},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := kingpin.New("test", "")
			flags := addServerFlags(app.Command("demo", ""), "127.0.0.1:10987")
			_, err := app.Parse(append([]string{"demo"}, c.args...))
			must(t, err)
			var out strings.Builder
			if err := flags.printLinks(&out); err != nil {
				out.WriteString(err.Error())
			}
			got := strings.Join(strings.Fields(strings.NewReplacer("Open ", "", "and http", "http", "; stop with Ctrl-C.", "").Replace(out.String())), " ")
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}
