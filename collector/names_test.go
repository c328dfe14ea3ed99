package collector

import (
	"maps"
	"slices"
	"testing"
)

// TestNames compares the names with docs/metrics.md, which TestReferenceMetrics compares
// with the exposition.
func TestNames(t *testing.T) {
	names, err := Names()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(referenceRows(t))); !slices.Equal(names, want) {
		t.Errorf("the names are %q, want %q", names, want)
	}
}
