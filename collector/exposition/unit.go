package exposition

import "strings"

// UnitOf returns the unit at the end of a metric's name, empty if it has none.
func UnitOf(name string) string {
	name = strings.TrimSuffix(name, "_total")
	for _, unit := range []string{"seconds", "bytes"} {
		if strings.HasSuffix(name, "_"+unit) {
			return unit
		}
	}
	return ""
}
