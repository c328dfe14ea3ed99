package config

import (
	"maps"
	"slices"
	"strings"
)

// suggest names what may have been meant by an unknown name: the closest of
// the known ones when it is close, else all of them.
func suggest[V any](name string, known map[string]V) string {
	names := slices.Sorted(maps.Keys(known))
	if len(names) == 0 {
		return ""
	}
	closest := slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if distance(name, closest) <= 1+len(name)/4 {
		return ", did you mean `" + closest + "`?"
	}
	return ", it must be one of: " + strings.Join(names, ", ")
}

// distance is the Levenshtein distance: how many single-character edits lead
// from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			row[j+1] = min(substituted, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
