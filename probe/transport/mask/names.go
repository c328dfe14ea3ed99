package mask

import "strings"

// Beginning returns enough of a text to show limit characters of it, so that the rest
// need not be searched.
func Beginning(text string, limit int) string { return text[:min(len(text), 8*limit)] }

// Names masks names that are shown up to limit characters, except those for which known
// returns true, which come from the configuration. It reports whether all are unchanged.
// It searches many names together, because almost no name contains a secret.
func Names(m Masker, names []*string, limit int, known func(name string) bool) bool {
	if len(names) == 1 {
		return maskName(m, names[0], limit, known)
	}
	const separator, atOnce = "\x00", 32 << 10
	var all strings.Builder
	for _, name := range names {
		if all.Len() < atOnce {
			all.WriteString(*name + separator)
		}
	}
	if text := all.String(); len(text) < atOnce && m.MaskName(text) == text {
		return true
	}
	half := len(names) / 2
	first := Names(m, names[:half], limit, known)
	return Names(m, names[half:], limit, known) && first
}

func maskName(m Masker, name *string, limit int, known func(name string) bool) bool {
	shown := Beginning(*name, limit)
	hidden := m.MaskName(shown)
	if hidden == shown || known(*name) {
		return true
	}
	*name = hidden
	return false
}
