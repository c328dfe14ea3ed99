// Package leaktest finds goroutines that outlive the tests that started them.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// maxWait is how long a goroutine may take to return after the tests, even on a busy
// machine.
var maxWait = 10 * time.Second

// Main runs the tests of a package and fails if a goroutine outlives them.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if stacks := Leaked(); len(stacks) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines outlive the tests:\n\n%s\n", len(stacks), strings.Join(stacks, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// Leaked returns the stacks of the goroutines that are still running after maxWait,
// except the caller's, those of packages testing and os/signal, and those that contain
// an ignored function. It returns early once none is left.
func Leaked(ignored ...string) []string {
	ignored = append(ignored, "testing.runTests", "testing.(*T).Parallel", "os/signal.loop", "os/signal.signal_recv")
	for deadline := time.Now().Add(maxWait); ; time.Sleep(10 * time.Millisecond) {
		remaining := slices.DeleteFunc(stacks()[1:], func(stack string) bool {
			return slices.ContainsFunc(ignored, func(function string) bool { return strings.Contains(stack, function) })
		})
		if len(remaining) == 0 || time.Now().After(deadline) {
			return remaining
		}
	}
}

// stacks returns the stacks of all goroutines, the caller's first.
func stacks() []string {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return strings.Split(strings.TrimSpace(string(buf[:n])), "\n\n")
		}
	}
}
