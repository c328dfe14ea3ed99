package web

import (
	"testing"

	"session_exporter/internal/leaktest"
)

// TestMain fails when a goroutine outlives the tests.
func TestMain(m *testing.M) { leaktest.Main(m) }
