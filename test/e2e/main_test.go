// Package e2e runs the real program as users do: a separate process, configured by a
// file, over real TLS sockets, against appliances in the test process that fail in
// every known way.
//
// Tests poll /metrics for the expected result instead of sleeping. Each test stops the
// processes and servers that it started. What the program prints, and the pages that tests
// fetch, are searched for secrets.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"session_exporter/simulator"
)

// Shared by all tests.
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
	// The tests mostly wait, some of them for needsTheMachine, so more of them can run in
	// parallel than there are processors.
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "24"); err != nil {
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
	http.DefaultClient.Timeout = maxWait // a request that hangs fails only its own test
	return m.Run(), nil
}

// build builds the program, with the race detector if the tests use it.
func build(dir string) (string, error) {
	binary := filepath.Join(dir, "session_exporter")
	args := []string{"-C", "../..", "build", "-o", binary}
	if raceEnabled() {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, output)
	}
	return binary, nil
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

var heavy sync.Mutex // held by tests that use much CPU or measure time

// needsTheMachine blocks until no other test that has called it is running. Subtests of its
// caller must not be parallel: the tests that wait for the lock may occupy all parallel
// slots, and the subtests would never get one.
func needsTheMachine(t *testing.T) {
	t.Helper()
	heavy.Lock()
	t.Cleanup(heavy.Unlock)
}

// tool returns the path of a program installed by `make tools`.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make tools` first", err)
	}
	return path
}
