package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exporter-toolkit alone would block forever on a pipe, and exhaust the memory on a device.
func TestWebConfigIsChecked(t *testing.T) {
	directory := t.TempDir()
	valid, invalid := filepath.Join(directory, "valid.yml"), filepath.Join(directory, "invalid.yml")
	must(t, os.WriteFile(valid, []byte("basic_auth_users: {}\n"), 0o600))
	must(t, os.WriteFile(invalid, []byte("tls_server_config: {cert_file: none}\n"), 0o600))
	for file, want := range map[string]string{
		"":                               "",
		valid:                            "",
		invalid:                          "--web.config.file: " + invalid + ": missing one of key or key_file",
		directory:                        "--web.config.file: read " + directory + ": is a directory",
		os.DevNull:                       "--web.config.file: read " + os.DevNull + ": is a pipe, a socket or a device; use a regular file",
		filepath.Join(directory, "none"): "--web.config.file: stat " + filepath.Join(directory, "none") + ": no such file or directory",
	} {
		got := ""
		if err := checkWebConfig(file); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}

// A service manager must not restart the exporter before its files are corrected.
func TestServeExitsWithUsageForItsFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "session_exporter.yml")
	must(t, os.WriteFile(file, []byte("endpoints: 1\n"), 0o600))
	for _, c := range []struct {
		args []string
		want string // in the error
	}{
		{[]string{"--config.file=" + file}, file + ":1: endpoints: "},
		{[]string{"--config.file=" + file + ".missing"}, file + ".missing: no such file; name another one with --config.file\n"},
		{[]string{"--config.file=" + file + ".*"}, file + ".*: no file matches this pattern; name another pattern or file with --config.file\n"},
		{[]string{"--config.file=" + file, "--web.config.file=" + file + ".missing"}, "--web.config.file: "},
	} {
		if code, _, stderr := runWith(t, t.Context(), c.args...); code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit code %d: %s", c.args, code, stderr)
		}
	}
}

// --config.check accepts a missing secret, as a reload does, although check-config reports an
// error. An invalid configuration or flag is an error.
func TestServeChecksItsConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "session_exporter.yml")
	must(t, os.WriteFile(file, []byte("credentials: {x: {token_file: missing}}\nmodules: {dr: {api: dr, credential: x, auth: token}}\n"), 0o600))
	for flag, want := range map[string]int{
		"--shard=0/1":             exitOK,
		"--shard=1/1":             exitUsage,
		"--web.external-url=out":  exitUsage,
		"--web.config.file=/none": exitUsage,
	} {
		if code, _, stderr := runWith(t, t.Context(), "--config.file="+file, "--config.check", flag); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", flag, code, want, stderr)
		}
	}
	must(t, os.WriteFile(file, []byte("endpoints: 1\n"), 0o600))
	if code, _, stderr := runWith(t, t.Context(), "--config.file="+file, "--config.check"); code != exitUsage {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
