package exporter

import (
	"flag"
	"testing"

	"session_exporter/internal/leaktest"
)

var full = flag.Bool("full", false, "run each test at its full size, which takes minutes")

// size returns one of two sizes: the full one with -full, which `make test` sets.
func size(complete, small int) int {
	if *full {
		return complete
	}
	return small
}

// TestMain fails when a goroutine outlives the tests.
func TestMain(m *testing.M) { leaktest.Main(m) }
