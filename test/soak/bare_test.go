package main

import "testing"

// A URL that responds twice counts once, and no longer counts after a failure.
func TestResponding(t *testing.T) {
	up := make(responding, 2)
	for _, step := range []struct {
		i        int
		answered bool
		want     float64
	}{{0, true, 1}, {0, true, 1}, {1, true, 2}, {0, false, 1}} {
		up[step.i].Store(step.answered)
		if got := up.count(); got != step.want {
			t.Errorf("%+v: %v are up", step, got)
		}
	}
}
