//go:build !race

package main

// stormSites is how many endpoints the storm has.
const stormSites = 1000
