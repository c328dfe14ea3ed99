package collector

import (
	"maps"
	"slices"
	"testing"
)

// TestNames compares them with docs/metrics.md, which TestReferenceMetrics compares
// with what is exposed.
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
