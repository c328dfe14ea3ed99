package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// `version` and --version print the same text, and --help has the flags that users of other
// exporters look for.
func TestVersionAndHelp(t *testing.T) {
	_, command, _ := runWith(t, t.Context(), "version")
	_, flag, stderr := runWith(t, t.Context(), "--version")
	if !strings.HasPrefix(command, "session_exporter, version ") || command != flag+stderr {
		t.Errorf("version: %q, --version: %q%q", command, flag, stderr)
	}
	for _, args := range [][]string{{"--help"}, {"help"}, {"-h"}} {
		code, help, _ := runWith(t, t.Context(), args...)
		for _, want := range []string{"\n  --config.file=", "\n  --web.listen-address=:10987", "\nserve*", "\nprobe", "\nversion"} {
			if code != exitOK || strings.Count(help, want) != 1 {
				t.Errorf("%v: exit code %d, no %q in:\n%s", args, code, want, help)
			}
		}
	}
	for _, args := range [][]string{{"help", "probe"}, {"probe", "--help"}} {
		if code, help, _ := runWith(t, t.Context(), args...); code != exitOK || !strings.Contains(help, "--password-file=") || strings.Contains(help, "--web.listen-address") {
			t.Errorf("%v: exit code %d:\n%s", args, code, help)
		}
	}
}

// A reader such as head, which exits early, causes no error, and no session is left.
func TestClosedPipe(t *testing.T) {
	appliance, flags, file := newAppliance(t)
	valid := writeConfig(t, "credentials: {c: {username: monitor, password_file: "+file+"}}\nmodules: {m: {api: hcx, credential: c, tls_config: {ca_file: "+filepath.Join(filepath.Dir(file), "ca.pem")+"}}}\nendpoints: [{name: e, url: \""+flags[1]+"\", module: m}]\n")
	for _, args := range [][]string{
		{"apis"},
		{"apis", "nsx"},
		{"init"},
		{"--help"},
		{"--version"},
		{"version"},
		{"check-config", valid},
		flags,
		{"probe", "--all", "--config.file=" + valid},
		{"probe", "--all", "--config.file=" + valid, "-o", "json"},
		{"probe", "--all", "--config.file=" + valid, "-o", "metrics"},
		append(flags, "--watch", "--interval=100ms"),
	} {
		reader, writer, err := os.Pipe()
		must(t, err)
		must(t, reader.Close())
		var stderr bytes.Buffer
		if code := Run(t.Context(), args, writer, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, stderr %q", args, code, &stderr)
		}
		must(t, writer.Close())
	}
	if stats := appliance.Stats(); stats.Logins != 5 || stats.Logouts != 5 {
		t.Errorf("%+v", stats)
	}
}
