package config

import (
	"maps"
	"slices"
	"strings"
)

// Beyond these, a list helps nobody, and neither does the time to compare each
// of ten thousand endpoints with ten thousand names.
const (
	maxListed   = 25
	maxCompared = 1000
	maxLength   = 100
)

// suggest names what may have been meant by an unknown name: the closest of
// the known ones when it is close, else all of them when they are few.
func suggest[V any](name string, known map[string]V) string {
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

func oneOf[V any](known map[string]V) string {
	if len(known) == 0 || len(known) > maxListed {
		return ""
	}
	return ", it must be one of: " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
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
