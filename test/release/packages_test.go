package release

import (
	"bufio"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// installed has the modes of files and directories that both packages install.
var installed = map[string]string{
	"/etc/default/session_exporter":                                            "-rw-r--r--",
	"/etc/session_exporter":                                                    "drwxr-xr-x",
	"/etc/session_exporter/secrets":                                            "drwx------",
	"/etc/session_exporter/session_exporter.yml":                               "-rw-r--r--",
	"/usr/bin/session_exporter":                                                "-rwxr-xr-x",
	"/usr/lib/systemd/system/session_exporter.service":                         "-rw-r--r--",
	"/usr/share/bash-completion/completions/session_exporter":                  "-rw-r--r--",
	"/usr/share/doc/session-exporter/README.md":                                "-rw-r--r--",
	"/usr/share/doc/session-exporter/CHANGELOG.md":                             "-rw-r--r--",
	"/usr/share/doc/session-exporter/deploy/systemd/session_exporter.yml":      "-rw-r--r--",
	"/usr/share/doc/session-exporter/deploy/helm/session-exporter/files/rules": "l---------", // the mode of a link has no effect
	"/usr/share/doc/session-exporter/docs/configuration.md":                    "-rw-r--r--",
	"/usr/share/man/man1/session_exporter.1.gz":                                "-rw-r--r--",
}

// configuration lists the files that an upgrade does not overwrite.
var configuration = []string{"/etc/default/session_exporter", "/etc/session_exporter/session_exporter.yml"}

func TestDeb(t *testing.T) {
	for _, architecture := range []string{"amd64", "arm64"} {
		file := onlyFile(t, dist+"/session-exporter_*_"+architecture+".deb")
		field := func(name string) string { return strings.TrimSpace(run(t, "dpkg-deb", "--field", file, name)) }
		if got := field("Package") + " " + field("Version") + " " + field("Architecture"); got != "session-exporter "+snapshot(t).Version+" "+architecture {
			t.Errorf("%s is %s", file, got)
		}
		got := make(map[string]string)
		for line := range strings.Lines(run(t, "dpkg-deb", "--contents", file)) {
			column := strings.Fields(line) // mode, owner, size, date, time, name
			if column[1] != "root/root" {
				t.Errorf("owner %s of %s", column[1], column[5])
			}
			got[strings.TrimSuffix(strings.TrimPrefix(column[5], "."), "/")] = column[0]
		}
		checkInstalled(t, file, got, "/usr/share/doc/session-exporter/copyright", "/usr/share/doc/session-exporter/licenses.txt", "/usr/share/zsh/vendor-completions/_session_exporter")
		if conffiles := strings.Fields(run(t, "dpkg-deb", "--info", file, "conffiles")); !slices.Equal(conffiles, configuration) {
			t.Errorf("%s: conffiles %v, want %v", file, conffiles, configuration)
		}
		for _, script := range []string{"postinst", "prerm", "postrm"} {
			if got := run(t, "dpkg-deb", "--info", file, script); got != read(t, repository+"/deploy/packages/deb/"+script) {
				t.Errorf("%s: unexpected %s:\n%s", file, script, got)
			}
		}
	}
}

func TestRPM(t *testing.T) {
	for _, architecture := range []string{"x86_64", "aarch64"} {
		file := onlyFile(t, dist+"/session-exporter-*."+architecture+".rpm")
		query := func(format string) string {
			return run(t, "rpm", "--query", "--package", "--queryformat", format, file)
		}
		if got := query("%{NAME} %{VERSION} %{ARCH} %{LICENSE}"); got != "session-exporter "+snapshot(t).Version+" "+architecture+" Apache-2.0" {
			t.Errorf("%s is %s", file, got)
		}
		got := make(map[string]string)
		var config []string
		for line := range strings.Lines(query("[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES} %{FILEFLAGS:fflags}\n]")) {
			column := strings.Fields(line)
			if column[1] != "root" {
				t.Errorf("owner %s of %s", column[1], column[2])
			}
			got[column[2]] = column[0]
			if len(column) > 3 && column[3] == "cn" { // %config(noreplace)
				config = append(config, column[2])
			}
		}
		checkInstalled(t, file, got, "/usr/share/licenses/session-exporter/LICENSE", "/usr/share/licenses/session-exporter/licenses.txt", "/usr/share/zsh/site-functions/_session_exporter")
		slices.Sort(config)
		if !slices.Equal(config, configuration) {
			t.Errorf("%s: configuration files %v, want %v", file, config, configuration)
		}
		scripts := run(t, "rpm", "--query", "--package", "--scripts", file)
		for _, script := range []string{"post", "preun", "postun"} {
			if !strings.Contains(scripts, read(t, repository+"/deploy/packages/rpm/"+script)) {
				t.Errorf("%s: %s is missing in:\n%s", file, script, scripts)
			}
		}
	}
}

// checkInstalled compares the modes of a package's files with installed. The files in more are
// readable by everyone.
func checkInstalled(t *testing.T, file string, got map[string]string, more ...string) {
	t.Helper()
	for name, mode := range installed {
		if got[name] != mode {
			t.Errorf("%s: mode %q of %s, want %s", file, got[name], name, mode)
		}
	}
	for _, name := range more {
		if got[name] != "-rw-r--r--" {
			t.Errorf("%s: mode %q of %s, want -rw-r--r--", file, got[name], name)
		}
	}
	for name := range got {
		if strings.HasSuffix(name, ".go") {
			t.Errorf("%s has %s", file, name)
		}
	}
}

// TestContentsOfTheDeb: the deb has the binary that was built for its platform, and the
// repository's unit, configuration and licenses.
func TestContentsOfTheDeb(t *testing.T) {
	root := t.TempDir()
	run(t, "dpkg-deb", "--extract", onlyFile(t, dist+"/*_amd64.deb"), root)
	for name, source := range map[string]string{
		"/usr/bin/session_exporter":                        binary(t, "linux_amd64"),
		"/usr/lib/systemd/system/session_exporter.service": repository + "/deploy/systemd/session_exporter.service",
		"/etc/session_exporter/session_exporter.yml":       repository + "/deploy/packages/session_exporter.yml",
		"/usr/share/doc/session-exporter/licenses.txt":     repository + "/build/licenses.txt",
	} {
		if read(t, root+name) != read(t, source) {
			t.Errorf("%s differs from %s", name, source)
		}
	}
}

// TestInstalledConfiguration: the exporter starts with the packages' configuration, and exits
// with 0 after SIGTERM.
func TestInstalledConfiguration(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), binary(t, "linux_amd64"), "--config.file="+repository+"/deploy/packages/session_exporter.yml", "--web.listen-address=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	var log strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); log.WriteString(lines.Text() + "\n") {
		if strings.Contains(lines.Text(), `"Listening on"`) {
			must(t, cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(log.String(), "msg=stopped") {
		t.Errorf("%v\n%s", err, &log)
	}
}
