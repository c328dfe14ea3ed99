package container

import (
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const (
	service    = "session_exporter.service"
	debPackage = "session-exporter"
	configFile = "/etc/session_exporter/session_exporter.yml"
	secretFile = "/etc/session_exporter/secrets/dr"
	dropIn     = "/etc/systemd/system/" + service + ".d/port.conf"
	credential = "/run/credentials/" + service + "/secrets_dr" // systemd's copy of the secret
)

// TestPackage takes the Debian package through its life on a system with systemd. Its steps
// depend on one another.
func TestPackage(t *testing.T) {
	first, next := release(t, repository), successor(t)
	c := boot(t)
	s, address := appliance(t), freeAddress(t)
	c.installFirst(first, address)
	c.configure(s, address)
	c.reload(s)
	c.refuseErrors(s)
	c.crash(s)
	c.upgrade(s, next, address)
	c.remove(s)
}

// release returns the package that `make release-snapshot` has built in a clone.
func release(t *testing.T, clone string) string {
	t.Helper()
	found, err := filepath.Glob(clone + "/dist/*_" + runtime.GOARCH + ".deb")
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("dist has %d packages for %s; `make release-snapshot` builds one", len(found), runtime.GOARCH)
	}
	return found[0]
}

// successor builds the package of a later commit, in a clone, and returns it.
func successor(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(repository)
	must(t, err)
	tools := "BIN=" + root + "/.bin"
	clone := filepath.Join(t.TempDir(), "clone")
	command(t, "git", "clone", "--quiet", repository, clone)
	command(t, "env", "GIT_COMMITTER_DATE=2037-01-01T00:00:00Z", // later than that of the first package
		"git", "-C", clone, "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgSign=false",
		"commit", "--quiet", "--allow-empty", "--message=next")
	command(t, "make", "-C", clone, tools, "release-snapshot")
	return release(t, clone)
}

// boot starts a container with systemd.
func boot(t *testing.T) container {
	t.Helper()
	base := baseImage(t, "systemd:"+debian, "systemd,systemd-sysv,dbus,init,ca-certificates", func(string) {})
	c := run(t, []string{"--privileged", "--systemd=always", "--network=host"}, base, "/sbin/init")
	t.Cleanup(func() {
		if t.Failed() {
			// The test's context is done, so this command has none.
			log, _ := exec.Command("podman", "exec", c.name, "journalctl", "--no-pager", "--lines=100", "--unit="+service).CombinedOutput()
			t.Logf("%s", log)
		}
	})
	eventually(t, "booted", func() bool {
		state, _ := c.try("systemctl", "is-system-running")
		return state == "running" || state == "degraded"
	})
	// Outside a container, systemd does this itself. Without it, the service does not see its
	// credentials.
	c.exec("mount", "--make-rshared", "/")
	return c
}

func (c container) install(deb string) {
	c.Helper()
	command(c.T, "podman", "cp", deb, c.name+":/root/package.deb")
	c.exec("dpkg", "--install", "/root/package.deb")
}

// installFirst installs the package, whose service starts with the configuration as installed.
// The service listens on a free port, because the container shares the host's network.
func (c container) installFirst(deb, address string) {
	c.Helper()
	c.exec("mkdir", filepath.Dir(dropIn))
	c.write(dropIn, "[Service]\nExecStart=\nExecStart=session_exporter --config.file="+configFile+" --web.listen-address="+address+"\n")
	c.install(deb)
	c.expect("its installation", map[string]string{"UnitFileState": "enabled", "ActiveState": "active", "StatusText": "Endpoints: 0", "NRestarts": "0"})
	c.exec("rm", "-r", filepath.Dir(dropIn))
	c.exec("systemctl", "daemon-reload")
}

// property returns a property of the service.
func (c container) property(name string) string {
	c.Helper()
	return c.exec("systemctl", "show", "--value", "--property="+name, service)
}

// expect compares properties of the service after a step.
func (c container) expect(step string, properties map[string]string) {
	c.Helper()
	names := slices.Collect(maps.Keys(properties))
	got := strings.Split(c.exec("systemctl", "show", "--property="+strings.Join(names, ","), service), "\n")
	for name, want := range properties {
		if !slices.Contains(got, name+"="+want) {
			c.Errorf("after %s, the service has %q, want %s=%s", step, got, name, want)
		}
	}
}

// fails runs a systemctl command that must fail.
func (c container) fails(verb string) {
	c.Helper()
	if output, err := c.try("systemctl", verb, service); err == nil {
		c.Errorf("systemctl %s succeeds with a broken configuration: %s", verb, output)
	}
}

// watches waits until the exporter holds n sessions, one for each endpoint.
func (c container) watches(s site, n int) {
	c.Helper()
	eventually(c.T, "logged in to all endpoints", func() bool { return s.Stats().Sessions == n })
}

func (c container) configure(s site, address string) {
	c.Helper()
	c.write(secretFile, password)
	c.write(configFile, s.config(credential, "a"))
	c.write("/etc/default/session_exporter", `SESSION_EXPORTER_OPTS="--web.listen-address=`+address+"\"\n")
	c.exec("systemctl", "restart", service) // returns when the exporter serves
	c.expect("a start", map[string]string{"ActiveState": "active", "StatusText": "Endpoints: 1"})
	c.watches(s, 1)
}

// reload adds an endpoint.
func (c container) reload(s site) {
	c.Helper()
	process := c.property("MainPID")
	c.write(configFile, s.config(credential, "a", "b"))
	c.exec("systemctl", "reload", service)
	c.watches(s, 2)
	c.expect("a reload", map[string]string{"MainPID": process, "StatusText": "Endpoints: 2"})
}

// refuseErrors breaks the configuration and corrects it.
func (c container) refuseErrors(s site) {
	c.Helper()
	process := c.property("MainPID")
	c.write(configFile, "endpoints: 1\n")
	c.fails("reload")
	eventually(c.T, "reported", func() bool { return c.property("StatusText") == "Configuration not loaded, see the log" })
	c.expect("a reload that failed", map[string]string{"ActiveState": "active", "MainPID": process})
	c.watches(s, 2)

	c.fails("restart")
	c.expect("a start that failed", map[string]string{"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0"})
	if stats := s.Stats(); stats.Sessions != 0 || stats.Logins != stats.Logouts {
		c.Errorf("the stop leaves %d sessions after %d logins and %d logouts", stats.Sessions, stats.Logins, stats.Logouts)
	}
	log := c.exec("journalctl", "--no-pager", "--output=cat", "--priority=err", "--unit="+service)
	for _, want := range []string{configFile + ":1: endpoints: must be a list", "reload failed, keeping the previous configuration"} {
		if !strings.Contains(log, want) {
			c.Errorf("no error in the journal has %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "level=info") || strings.Contains(log, "level=warn") || strings.Contains(log, "<3>") {
		c.Errorf("priorities in the journal are wrong:\n%s", log)
	}

	c.write(configFile, s.config(credential, "a"))
	c.exec("systemctl", "start", service)
	c.watches(s, 1)
}

// crash checks that systemd does not mistake a crash for a configuration error: without
// GOTRACEBACK=crash, both would exit with 2.
func (c container) crash(s site) {
	c.Helper()
	c.exec("systemctl", "kill", "--kill-who=main", "--signal=QUIT", service)
	eventually(c.T, "restarting after a crash", func() bool { return c.property("SubState") == "auto-restart" })
	s.EndSessions() // those that the crash has left on the appliance
	c.exec("systemctl", "restart", service)
	c.watches(s, 1)
}

func (c container) upgrade(s site, deb, address string) {
	c.Helper()
	process, before, first := c.property("MainPID"), s.Stats(), c.version(address)
	c.install(deb)
	c.watches(s, 1)
	if after := s.Stats(); after.Logouts != before.Logouts+1 {
		c.Errorf("the upgrade logs out of %d sessions, want 1", after.Logouts-before.Logouts)
	}
	if c.property("MainPID") == process {
		c.Error("the upgrade does not restart the service")
	}
	c.expect("an upgrade", map[string]string{"ActiveState": "active", "StatusText": "Endpoints: 1"})
	if next := c.version(address); next == first {
		c.Errorf("the upgrade leaves version %s running", next)
	}
}

// version returns the version of the package, and checks that the program and the running
// service have the same.
func (c container) version(address string) string {
	c.Helper()
	version := c.exec("dpkg-query", "--show", "--showformat=${Version}", debPackage)
	if program := c.exec("session_exporter", "--version"); !strings.HasPrefix(program, "session_exporter, version "+version+" (") {
		c.Errorf("the package's version is %s, that of the program %s", version, program)
	}
	response, err := http.Get("http://" + address + "/metrics")
	must(c.T, err)
	defer func() { _ = response.Body.Close() }()
	metrics, err := io.ReadAll(response.Body)
	must(c.T, err)
	info := regexp.MustCompile(`(?m)^session_exporter_build_info\{.*`).FindString(string(metrics))
	if !strings.Contains(info, `version="`+version+`"`) {
		c.Errorf("the package's version is %s, that of the service %s", version, info)
	}
	return version
}

// remove removes the package, which keeps the configuration, and purges it, which does not.
func (c container) remove(s site) {
	c.Helper()
	before := s.Stats()
	c.exec("dpkg", "--remove", debPackage)
	if after := s.Stats(); after.Sessions != 0 || after.Logouts != before.Logouts+1 {
		c.Errorf("the removal leaves %d sessions after %d logouts", after.Sessions, after.Logouts-before.Logouts)
	}
	c.exec("test", "-e", configFile)
	c.exec("test", "-e", secretFile)
	c.expect("the removal", map[string]string{"LoadState": "not-found"})
	c.exec("dpkg", "--purge", debPackage)
	if output, err := c.try("test", "!", "-e", "/etc/session_exporter", "-a", "!", "-e", "/etc/default/session_exporter"); err != nil {
		c.Errorf("the purge leaves files: %s", output)
	}
}
