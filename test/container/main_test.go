package container

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"session_exporter/simulator"
)

const (
	repository = "../.."
	debian     = "bookworm"
	// maxWait exceeds the duration of every step, even on a busy machine.
	maxWait = 4 * time.Minute
	// containerPrefix begins the name of each container; the test's process ID follows.
	containerPrefix = "session_exporter-test-"
)

// command runs a program, which must succeed, and returns its output.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return strings.TrimSpace(string(output))
}

// baseImage returns an image with Debian's minimal system and some packages, to which prepare
// adds files. An image of the same name from an earlier run is used again.
func baseImage(t *testing.T, name, packages string, prepare func(root string)) string {
	t.Helper()
	image := "localhost/session_exporter-test-" + name
	if exec.CommandContext(t.Context(), "podman", "image", "exists", image).Run() == nil {
		return image
	}
	root := t.TempDir()
	t.Logf("building the base image %s", image)
	command(t, "debootstrap", "--variant=minbase", "--include="+packages, debian, root, "http://deb.debian.org/debian")
	prepare(root)
	archive := exec.CommandContext(t.Context(), "tar", "-C", root, "-c", ".")
	text, err := archive.StdoutPipe()
	must(t, err)
	load := exec.CommandContext(t.Context(), "podman", "import", "--change", "ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "-", image)
	load.Stdin, load.Stderr = text, os.Stderr
	must(t, archive.Start())
	must(t, load.Run())
	must(t, archive.Wait())
	return image
}

// container is a running container.
type container struct {
	*testing.T
	name string
}

// run starts a container, which is removed when the test ends.
func run(t *testing.T, options []string, imageAndArgs ...string) container {
	t.Helper()
	c := container{t, fmt.Sprintf(containerPrefix+"%d-%d", os.Getpid(), time.Now().UnixNano())}
	t.Cleanup(func() {
		// The test's context is done, so these commands have none.
		if t.Failed() {
			output, _ := exec.Command("podman", "logs", "--tail=50", c.name).CombinedOutput()
			t.Logf("%s", output)
		}
		if output, err := exec.Command("podman", "rm", "--force", "--time=1", c.name).CombinedOutput(); err != nil {
			t.Errorf("removing %s: %v\n%s", c.name, err, output)
		}
	})
	args := []string{
		"run", "--detach", "--name=" + c.name, "--runtime=runc", "--pull=never",
		// Low enough if the test itself runs in a container, where limits cannot be raised.
		"--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096",
	}
	command(t, "podman", append(append(args, options...), imageAndArgs...)...)
	return c
}

// exec runs a program in the container.
func (c container) exec(args ...string) string {
	c.Helper()
	output, err := c.try(args...)
	if err != nil {
		c.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return output
}

// try is exec for a program that may fail.
func (c container) try(args ...string) (string, error) {
	output, err := exec.CommandContext(c.Context(), "podman", append([]string{"exec", c.name}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

// write writes a file in the container.
func (c container) write(file, content string) {
	c.Helper()
	local := filepath.Join(c.TempDir(), "file")
	must(c.T, os.WriteFile(local, []byte(content), 0o600))
	must(c.T, os.Chmod(local, 0o644))
	command(c.T, "podman", "cp", local, c.name+":"+file)
}

// site is a simulated appliance.
type site struct {
	*simulator.Appliance
	ca, url string
}

const username, password = "monitor", "correct-horse"

// appliance starts an appliance on 127.0.0.1.
func appliance(t *testing.T) site {
	t.Helper()
	ca, err := simulator.NewCA()
	must(t, err)
	s := site{Appliance: simulator.NewDR("/api", simulator.Settings{Accounts: map[string]simulator.Account{username: {Password: password}}}), ca: ca.PEM()}
	server, err := ca.Serve(s.Appliance, "127.0.0.1:0", simulator.ServerOptions{})
	must(t, err)
	t.Cleanup(server.Close)
	s.url = server.URL() + "/api"
	return s
}

// config returns a configuration whose endpoints all lead to this appliance.
func (s site) config(passwordFile string, endpoints ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {interval: 1s, timeout: 1s}\n")
	fmt.Fprintf(&b, "credentials: {dr: {username: %s, password_file: %q}}\n", username, passwordFile)
	fmt.Fprintf(&b, "modules: {dr: {api: dr, credential: dr, tls_config: {ca: %q}}}\n", s.ca)
	fmt.Fprintln(&b, "endpoints:")
	for _, name := range endpoints {
		fmt.Fprintf(&b, "  - {name: %s, url: %q, module: dr}\n", name, s.url)
	}
	return b.String()
}

// freeAddress returns an address on 127.0.0.1 with a free port.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, listener.Close()) }()
	return listener.Addr().String()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(maxWait); !condition(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s: not %s", maxWait, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		fmt.Fprintln(os.Stderr, "these tests need Linux and root, for debootstrap and a container with systemd")
		os.Exit(1)
	}
	if err := removeAbandoned(); err != nil {
		fmt.Fprintln(os.Stderr, "removing containers that killed tests have left:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// removeAbandoned removes containers that killed tests have left.
func removeAbandoned() error {
	names, err := exec.Command("podman", "ps", "--all", "--filter=name=^"+containerPrefix, "--format={{.Names}}").Output()
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(names)) {
		process, _, _ := strings.Cut(strings.TrimPrefix(name, containerPrefix), "-")
		if _, err := os.Stat("/proc/" + process); errors.Is(err, fs.ErrNotExist) {
			if err := exec.Command("podman", "rm", "--force", "--time=1", name).Run(); err != nil {
				return err
			}
		}
	}
	return nil
}
