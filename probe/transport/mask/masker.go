package mask

import (
	"slices"
	"strings"

	"session_exporter/secret"
)

const (
	// Masked replaces a secret.
	Masked = secret.Masked
	// Withheld replaces a text from which a masked secret could be guessed, or that takes
	// too long to search.
	Withheld = "<not shown: it may contain a secret>"
)

// maxText is the size of the searched part of a text, in bytes. The rest is cut off,
// because far less is shown.
const maxText = 64 << 10

// Masker masks the secrets of several sets. The zero Masker masks nothing. It is safe
// for concurrent use.
type Masker struct {
	sets []*Secrets
	name string
}

// NewMasker returns a masker for the secrets that the sets have when it masks.
func NewMasker(sets ...*Secrets) Masker { return Masker{sets: sets} }

// Named returns a masker that knows the public username. A text with a password that is
// the username or a part of it is withheld, because "no user <secret>" would give the
// password away.
func (m Masker) Named(username string) Masker {
	m.name = username
	return m
}

// Version changes whenever a new secret is added to one of the sets.
func (m Masker) Version() uint64 {
	var sum uint64
	for _, set := range m.sets {
		sum += set.Version() // a set's version never decreases
	}
	return sum
}

// Mask returns the first 64 KiB of text without any secret, whether it is plain, in the
// escapes of JSON, URLs, HTML and program source, in Base64 or hex, in any mixture of
// these, or in upper or lower case. A secret that is cut off, by the end of the text or of a
// quotation or by an ellipsis, is masked too if at least its first eight bytes remain.
//
// The whole text is withheld if the secret could be guessed from the text around its
// mask: if the secret is shorter than eight characters, an ordinary word, part of the
// username, or part of a longer word. A secret of one to three characters counts only if no
// letter or digit is next to it. The text is also withheld if searching it takes too long.
func (m Masker) Mask(text string) string { return m.mask(text, 1, false) }

// MaskName is Mask for a name, such as a user's or a role's, in which a secret of fewer
// than eight bytes, or the beginning of a secret, is a coincidence.
func (m Masker) MaskName(name string) string { return m.mask(name, minStrong, true) }

// MaskID is Mask for the identifier of an operation. Nearly all are UUIDs (RFC 9562). A
// UUID can contain only secrets of hexadecimal digits and hyphens. It is searched for these
// first, which is cheap.
func (m Masker) MaskID(id string) string {
	if !isUUID(id) {
		return m.Mask(id)
	}
	for _, set := range m.sets {
		if set.within(id) {
			return m.Mask(id)
		}
	}
	return id
}

func isUUID(text string) bool {
	return len(text) == 36 && strings.Count(text, "-") == 4 && isUUIDText(text)
}

// isUUIDText reports whether a text has only the characters of UUIDs.
func isUUIDText(text string) bool {
	return strings.Trim(text, "0123456789abcdefABCDEF-") == ""
}

// mask masks the secrets that have at least the given number of bytes. whole is set for a text
// that is not cut off.
func (m Masker) mask(text string, least int, whole bool) string {
	if len(text) < least {
		return text
	}
	var wanted []needle
	for _, set := range m.sets {
		wanted = set.appendTo(wanted)
	}
	if least > 1 {
		wanted = slices.DeleteFunc(wanted, func(n needle) bool { return len(n.text) < least })
	}
	if len(wanted) == 0 {
		return text
	}
	for i := range wanted {
		wanted[i].weak = wanted[i].weak || foldedContains(m.name, wanted[i].text)
	}
	if len(text) > maxText {
		text = text[:maxText]
	}
	found, ok := find(text, wanted, whole)
	if !ok || slices.ContainsFunc(found, func(s span) bool { return s.weak }) {
		return Withheld
	}
	return replace(text, found)
}

// span is a part of a text in which a secret was found.
type span struct {
	start, end int
	// weak is set if the secret could be guessed from the text around its mask.
	weak bool
}

// merge sorts spans and joins overlapping ones.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	merged := spans[:0]
	for _, s := range spans {
		if last := len(merged) - 1; last >= 0 && s.start < merged[last].end {
			merged[last].end = max(merged[last].end, s.end)
			merged[last].weak = merged[last].weak || s.weak
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func replace(text string, found []span) string {
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	shown := 0
	for _, s := range found {
		b.WriteString(text[shown:s.start])
		b.WriteString(Masked)
		shown = s.end
	}
	b.WriteString(text[shown:])
	return b.String()
}
