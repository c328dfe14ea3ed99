package mask

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"session_exporter/secret"

	"golang.org/x/text/unicode/norm"
)

const (
	// minPart is the minimum length for a part of a secret to be treated as a secret.
	minPart = 4
	// minStrong is the minimum length for a secret not to be guessable from its mask.
	minStrong = 8
)

// needle is a text that must not be shown.
type needle struct {
	text string
	// weak is set if the needle could be guessed from the text around its mask: it is
	// short, or an ordinary word.
	weak bool
	// cut is the number of bytes that must match if the text is cut off.
	cut int
}

// newNeedle returns a needle. The beginning of an address or path is not secret.
func newNeedle(text string) needle {
	n := needle{text: text, weak: utf8.RuneCountInString(text) < minStrong || secret.Ordinary(text), cut: minCut}
	if strings.HasPrefix(text, "/") || strings.Contains(text, "://") {
		n.cut += strings.LastIndexByte(text, '/') + 1
	}
	return n
}

// needles returns the texts to search for: those given and, if they are not ASCII,
// their Unicode normal forms and cases.
func needles(texts []string) []needle {
	all := make([]needle, 0, len(texts))
	add := func(text string) {
		if !slices.ContainsFunc(all, func(n needle) bool { return n.text == text }) {
			all = append(all, newNeedle(text))
		}
	}
	for _, text := range texts {
		add(text)
		if isASCII(text) {
			continue
		}
		add(norm.NFC.String(text))
		add(norm.NFD.String(text))
		add(strings.ToUpper(text)) // the bytes of its characters may be encoded individually
		add(strings.ToLower(text))
	}
	return slices.Clip(all)
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// plainParts returns a secret, the parts of a session that has several, which a tab
// separates, and the signature of a JWT, whose other parts may be public.
func plainParts(text string) []string {
	all := []string{text}
	if jwt := strings.Split(text, "."); len(jwt) == 3 && strings.HasPrefix(text, "eyJ") {
		all = appendParts(all, jwt[2:])
	}
	if strings.Contains(text, "\t") {
		all = appendParts(all, strings.Split(text, "\t"))
	}
	return all
}

// headerParts returns a header's value and the secrets in it.
func headerParts(text string) []string {
	all := plainParts(text)
	scheme, rest, hasScheme := strings.Cut(text, " ")
	if hasScheme {
		all = appendParts(all, []string{rest})
	}
	if strings.EqualFold(scheme, "Basic") {
		if pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
			all = appendParts(all, pairParts(string(pair)))
		}
	}
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		if _, value, ok := strings.Cut(field, "="); ok {
			all = appendParts(all, []string{value, strings.Trim(value, `"`)})
		}
	}
	return all
}

// pairParts returns the password of a Basic pair, without the username, which is not
// secret. If the password is so short that it would not be found in Base64, it returns
// the whole pair.
func pairParts(pair string) []string {
	if _, password, _ := strings.Cut(pair, ":"); utf8.RuneCountInString(password) >= minPart {
		return []string{password}
	}
	return []string{pair}
}

func appendParts(all, parts []string) []string {
	for _, part := range parts {
		if part = strings.TrimSpace(part); utf8.RuneCountInString(part) >= minPart {
			all = append(all, part)
		}
	}
	return all
}
