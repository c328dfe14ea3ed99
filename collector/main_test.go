package collector

import (
	"testing"

	"session_exporter/internal/leaktest"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) { leaktest.Main(m) }
