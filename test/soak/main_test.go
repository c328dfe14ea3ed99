package main

import (
	"strings"
	"testing"
)

// TestHangs: the given percentage hangs, both of all endpoints and, to within one endpoint,
// of each site's.
func TestHangs(t *testing.T) {
	const endpoints = 1000 // ten per site
	for percent := range 101 {
		o := options{endpoints: endpoints, hanging: percent}
		var sites [ports]int
		hanging := 0
		for i := range endpoints {
			if o.hangs(i) {
				hanging++
				sites[i%ports]++
			}
		}
		if hanging != endpoints*percent/100 || hanging != endpoints-o.expected() {
			t.Errorf("%d percent: %d of %d hang, %d are expected to be up", percent, hanging, endpoints, o.expected())
		}
		for site, n := range sites {
			if fewest := percent / 10; n < fewest || n > fewest+1 {
				t.Errorf("%d percent: %d of ten hang at site %d", percent, n, site)
			}
		}
	}
}

func TestHangingOutOfRange(t *testing.T) {
	for _, percent := range []int{-1, 101} {
		if err := (&options{hanging: percent}).run(t.Context()); err == nil || !strings.Contains(err.Error(), "must be from 0 to 100") {
			t.Errorf("%d percent: %v", percent, err)
		}
	}
}
