//go:build race

package main

// stormSites is fewer than without the race detector, which makes a probe over
// pipes several times as dear: the tests are to stay short.
const stormSites = 200
