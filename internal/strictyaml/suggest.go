package strictyaml

import (
	"maps"
	"slices"
	"strings"
)

// MaxListed is the number of values up to which an error lists them.
const MaxListed = 25

// The limits of a comparison: each of ten thousand endpoints may have to be compared
// with ten thousand names.
const (
	maxCompared = 1000
	maxLength   = 100
)

// Suggest completes an error about an unknown name: with the closest known name if it
// is similar, else with all known names if they are few.
func Suggest[V any](name string, known map[string]V) string {
	if len(known) == 0 || len(known) > maxCompared || len(name) > maxLength {
		return oneOf(known)
	}
	names := slices.Sorted(maps.Keys(known))
	closest := slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if distance(name, closest) <= 1+len(name)/4 {
		return ", did you mean `" + closest + "`?"
	}
	return oneOf(known)
}

// oneOf lists the known names if they are few.
func oneOf[V any](known map[string]V) string {
	if len(known) == 0 || len(known) > MaxListed {
		return ""
	}
	return ", it must be one of: " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// distance returns the number of edits from a to b: a character is added, removed or
// replaced, or two adjacent characters are swapped.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			replaced := above[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
