// Package e2e runs the real program as its users do: a process of its own,
// configured by a file, over real TLS sockets, against appliances in the test
// process that break in every way that sessions are known to break.
//
// Tests wait for what they want to see by asking /metrics; none sleeps and
// hopes. Every process and server is stopped by the test that started it, and
// every byte that the program prints or serves is searched for secrets.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"session_exporter/simulator"
)

// What all tests share.
var (
	binary string        // the program
	ca     *simulator.CA // of all simulated appliances, unless a test wants another
	caFile string
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	// The tests wait rather than compute, so that the number of processors is no
	// measure of how many fit side by side.
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "8"); err != nil {
			return 1, err
		}
	}
	dir, err := os.MkdirTemp("", "session_exporter-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if binary, err = build(dir); err != nil {
		return 1, err
	}
	if ca, err = simulator.NewCA(); err != nil {
		return 1, err
	}
	caFile = filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, []byte(ca.PEM()), 0o600); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// build builds the program, with the race detector if the tests have it.
func build(dir string) (string, error) {
	binary := filepath.Join(dir, "session_exporter")
	args := []string{"build", "-o", binary}
	if raceEnabled() {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, "session_exporter")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, output)
	}
	return binary, nil
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

var heavy sync.Mutex // held by a test that keeps the processors busy, or measures time

// needsTheMachine lets one such test run at a time. Its subtests must not be
// parallel: those who wait for their turn would have all the places.
func needsTheMachine(t *testing.T) {
	t.Helper()
	heavy.Lock()
	t.Cleanup(heavy.Unlock)
}

// tool returns the path of a program that `make tools` installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make tools` first", err)
	}
	return path
}
