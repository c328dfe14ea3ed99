//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
)

// soon is long enough for a busy machine. Reading a pipe or /dev/zero never ends.
const soon = 10 * time.Second

// strange creates files that cannot be read as secrets, and returns the reasons.
func strange(t *testing.T) (dir string, why map[string]string) {
	t.Helper()
	dir = t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "directory"), 0o700),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.Symlink("/dev/zero", filepath.Join(dir, "link-to-zero")),
		os.WriteFile(filepath.Join(dir, "huge"), nil, 0o600),
		os.Truncate(filepath.Join(dir, "huge"), 256<<20),
		os.WriteFile(filepath.Join(dir, "one-too-many"), make([]byte, secret.MaxFileSize+1), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	const irregular = "is a pipe, a socket or a device; use a regular file"
	return dir, map[string]string{
		"directory": "is a directory", "pipe": irregular, "link-to-zero": irregular, "/dev/null": irregular,
		"huge": "is larger than 64 KiB", "one-too-many": "is larger than 64 KiB",
		"missing": "no such file or directory", "pipe/below": "not a directory",
	}
}

func in(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// TestStrangeFilesInConfigurations uses files that are missing, too large or not regular
// wherever a file can be named.
func TestStrangeFilesInConfigurations(t *testing.T) {
	dir, why := strange(t)
	for name, want := range why {
		for place, severity := range map[string]strictyaml.Severity{
			"credentials: {a: {username: u, password_file: %q}}\nmodules: {m: {api: hcx}}":                                                              MissingSecret,
			"credentials: {a: {token_file: %q}}\nmodules: {m: {api: hcx}}":                                                                              MissingSecret,
			"credentials: {a: {oauth2: {client_id: i, token_url: 'https://a', client_secret_file: %q}}}\nmodules: {m: {api: hcx}}":                      MissingSecret,
			"modules: {m: {api: hcx, http_headers: {X-A: {files: [%q]}}}}":                                                                              MissingSecret,
			"modules: {m: {api: hcx, tls_config: {ca_file: %q}}}":                                                                                       Invalid,
			"modules: {m: {api: hcx, tls_config: {cert_file: %q, key: x}}}":                                                                             Invalid,
			"modules: {m: {api: hcx, tls_config: {cert: x, key_file: %q}}}":                                                                             Invalid,
			"credentials: {a: {oauth2: {client_id: i, token_url: 'https://a', client_secret: s, tls_config: {ca_file: %q}}}}\nmodules: {m: {api: hcx}}": Invalid,
		} {
			begin := time.Now()
			_, found := CheckText(fmt.Appendf(nil, place, in(dir, name)), filepath.Join(dir, "f.yml"))
			found = found.Of(severity)
			if severity == Invalid {
				want := strings.Replace(want, "64 KiB", "1 MiB", 1)
				if name == "one-too-many" {
					want = "" // readable, but not PEM
				}
				if len(found) != 1 || !strings.Contains(found[0].Text, want) {
					t.Errorf("%s in %s: %v", name, place, found)
				}
			} else if len(found) != 1 || found[0].Text != "cannot read this file: "+want {
				t.Errorf("%s in %s: %v", name, place, found)
			}
			if took := time.Since(begin); took > soon {
				t.Errorf("%s in %s took %s", name, place, took)
			}
		}
		begin := time.Now()
		_, found := Check(in(dir, name))
		if name == "one-too-many" {
			continue // not valid as a configuration
		}
		want := strings.Replace(want, "64 KiB", "16 MiB", 1)
		if want == fs.ErrNotExist.Error() || want == "no such file or directory" {
			want = "no such file; name another one"
		} else if want == "is a directory" {
			want += "; name its files, with a pattern such as " + filepath.Join(in(dir, name), "*.yml")
		}
		if len(found) != 1 || found[0].Text != want || time.Since(begin) > soon {
			t.Errorf("%s as a configuration: %v", name, found)
		}
	}
}

// TestFingerprintOfStrangeFiles checks that a fingerprint terminates without reading
// the files whole.
func TestFingerprintOfStrangeFiles(t *testing.T) {
	dir, why := strange(t)
	for name := range why {
		begin := time.Now()
		if new(Loader).Fingerprint(in(dir, name)) == "" || time.Since(begin) > soon {
			t.Errorf("%s took %s", name, time.Since(begin))
		}
	}
}
