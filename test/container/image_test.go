package container

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const image = "localhost/session_exporter-test:image"

// confined are the restrictions under which the image must run.
var confined = []string{
	"--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges",
	"--health-interval=disable", // `podman healthcheck run` checks instead: the timer needs systemd
}

// build builds the image from the unchanged Dockerfile; a local image replaces that of the
// first FROM.
func build(t *testing.T) {
	t.Helper()
	dockerfile, err := os.ReadFile(repository + "/Dockerfile")
	must(t, err)
	from := ""
	for line := range strings.Lines(string(dockerfile)) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "FROM" && from == "" {
			from = words[2] // follows --platform
		}
	}
	base := baseImage(t, "golang:"+runtime.Version(), "make,git,ca-certificates", func(root string) {
		command(t, "cp", "-a", command(t, "go", "env", "GOROOT"), root+"/usr/local/go")
	})
	args := []string{
		"build", "--pull-never", "--isolation=chroot", "--network=host", "--format=docker", // the OCI format has no HEALTHCHECK
		"--platform=linux/" + runtime.GOARCH, "--build-context=" + from + "=container-image://" + base,
		"--build-arg=VERSION=1.2.3", "--build-arg=REVISION=abc", "--build-arg=BUILD_DATE=2026-01-02T03:04:05Z", "--tag=" + image,
		"--volume=/etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro",
	}
	for variable, dir := range map[string]string{"GOMODCACHE": "/root/go/pkg/mod", "GOCACHE": "/root/.cache/go-build"} {
		args = append(args, "--volume="+command(t, "go", "env", variable)+":"+dir)
	}
	command(t, "buildah", append(args, repository)...)
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "--force", image).Run() })
}

func TestImage(t *testing.T) {
	build(t)
	t.Run("labels", testLabels)
	t.Run("licenses", testLicenses)
	t.Run("default user", func(t *testing.T) { testWatching(t, nil, nil) })
	t.Run("any user, TLS and a path", func(t *testing.T) {
		testWatching(t, []string{"--user=123456:0"}, []string{"--web.config.file=/etc/session_exporter/web.yml", "--web.route-prefix=/exporter"})
	})
	t.Run("demo", testDemo)
}

func testLabels(t *testing.T) {
	var images []struct {
		Config struct {
			Labels map[string]string
			User   string
		}
		Size int64
	}
	must(t, json.Unmarshal([]byte(command(t, "podman", "image", "inspect", image)), &images))
	config := images[0].Config
	for _, label := range []string{
		"title", "description", "url", "documentation", "source", "version", "revision", "created",
		"vendor", "licenses", "authors", "base.name",
	} {
		if config.Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("the image has no label %s", label)
		}
	}
	if config.Labels["org.opencontainers.image.version"] != "1.2.3" || config.Labels["org.opencontainers.image.created"] != "2026-01-02T03:04:05Z" {
		t.Errorf("the image's labels are %v", config.Labels)
	}
	if config.User != "65532:65532" {
		t.Errorf("the image's user is %q", config.User)
	}
	t.Logf("the image has %d bytes", images[0].Size)
}

// testWatching runs the image as a user does: the container becomes healthy, logs in, and logs
// out when it is stopped.
func testWatching(t *testing.T, options, args []string) {
	t.Helper()
	s := appliance(t)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	write := func(name, content string) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		must(t, os.Chmod(filepath.Join(dir, name), 0o644))
	}
	write("session_exporter.yml", s.config("password", "a", "b"))
	write("password", password)
	certificate, key := certificate(t)
	write("tls.crt", certificate)
	write("tls.key", key)
	write("web.yml", "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")

	options = slices.Concat(confined, []string{"--network=host", "--volume=" + dir + ":/etc/session_exporter:ro"}, options)
	args = append([]string{image, "--config.file=/etc/session_exporter/session_exporter.yml", "--web.listen-address=" + freeAddress(t)}, args...)
	c := run(t, options, args...)
	c.becomesHealthy()
	eventually(t, "logged in to both endpoints", func() bool { return s.Stats().Sessions == 2 })
	c.stops()
	if stats := s.Stats(); stats.Sessions != 0 || stats.Logins != stats.Logouts {
		t.Errorf("the container leaves %d sessions after %d logins and %d logouts", stats.Sessions, stats.Logins, stats.Logouts)
	}
}

// testLicenses compares the image's licenses with those of the release.
func testLicenses(t *testing.T) {
	dir := t.TempDir()
	command(t, "podman", "cp", run(t, nil, image, "demo").name+":/licenses", dir)
	for name, source := range map[string]string{"LICENSE": "LICENSE", "licenses.txt": "build/licenses.txt"} {
		got, err := os.ReadFile(filepath.Join(dir, "licenses", name))
		must(t, err)
		want, err := os.ReadFile(filepath.Join(repository, source))
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not that of the release", name)
		}
	}
}

// testDemo runs the demo without a network and without a writable directory. The health check
// fails in a container that runs only the simulated appliances.
func testDemo(t *testing.T) {
	options := slices.Concat(confined, []string{"--network=none", "--user=123456:0"})
	demo := run(t, options, image, "demo", "--web.listen-address=:8080")
	demo.becomesHealthy()
	demo.stops()
	if output, err := exec.CommandContext(t.Context(), "podman", "healthcheck", "run", run(t, options, image, "simulate").name).CombinedOutput(); err == nil {
		t.Errorf("a container without the exporter is healthy: %s", output)
	}
}

// becomesHealthy waits until the image's health check succeeds.
func (c container) becomesHealthy() {
	c.Helper()
	eventually(c.T, "healthy", func() bool {
		return exec.CommandContext(c.Context(), "podman", "healthcheck", "run", c.name).Run() == nil
	})
}

// stops stops the container with SIGTERM, after which the exporter must exit with 0.
func (c container) stops() {
	c.Helper()
	command(c.T, "podman", "stop", "--time=60", c.name)
	if code := command(c.T, "podman", "inspect", "--format={{.State.ExitCode}}", c.name); code != "0" {
		c.Errorf("SIGTERM: exit code %s", code)
	}
}

// certificate returns a certificate and its key, in PEM.
func certificate(t *testing.T) (certificate, key string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}
