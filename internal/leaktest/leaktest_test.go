package leaktest

import (
	"strings"
	"testing"
	"time"
)

func TestLeaked(t *testing.T) {
	if stacks := Leaked(); len(stacks) > 0 {
		t.Fatalf("%d goroutines before any was started:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
	}
	done := make(chan struct{})
	defer close(done)
	go blocked(done)
	defer func(wait time.Duration) { maxWait = wait }(maxWait)
	maxWait = time.Second
	stacks := Leaked()
	if len(stacks) != 1 || !strings.Contains(stacks[0], "leaktest.blocked") {
		t.Errorf("%d goroutines, want the blocked one:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
	}
	if stacks := Leaked("leaktest.blocked"); len(stacks) > 0 {
		t.Errorf("an ignored goroutine was found:\n%s", stacks)
	}
}

func blocked(done <-chan struct{}) { <-done }
