package sessionapi

import (
	"bytes"
	"net/http"
	"strings"
	"unicode"
)

// The lengths, in characters, to which texts from appliances are cut.
const (
	MaxName    = 128
	maxCode    = 64
	MaxMessage = 256
)

// Clean makes the texts fit for labels, logs and pages.
func (in *Interpretation) Clean() {
	in.Why = CleanText(in.Why, MaxMessage)
	in.Code = CleanText(in.Code, maxCode)
	in.Message = CleanText(in.Message, MaxMessage)
	in.OperationID = CleanText(in.OperationID, maxCode)
	in.ExpiryOf = CleanText(in.ExpiryOf, MaxName)
	if id := in.Identity; id != nil {
		for _, name := range []*string{&id.Username, &id.Organization, &id.Enterprise, &id.Version} {
			*name = CleanText(*name, MaxName)
		}
		for _, names := range [][]string{id.Roles, id.Organizations} {
			for i := range names {
				names[i] = CleanText(names[i], MaxName)
			}
		}
	}
}

// CleanText returns text as valid UTF-8 in one line. It replaces control characters with
// spaces, removes format characters, which are invisible or reorder text (Unicode category
// Cf), and cuts the text to limit characters and an ellipsis.
func CleanText(text string, limit int) string {
	if isClean(text) && len(text) <= limit {
		return text
	}
	var b strings.Builder
	length := 0
	for _, r := range text { // invalid bytes come as U+FFFD
		switch {
		case unicode.Is(unicode.Cf, r):
			continue
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			r = ' '
		}
		if length == limit {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
		length++
	}
	return strings.TrimSpace(b.String())
}

// isClean reports whether a text is printable ASCII without leading or trailing spaces, as
// nearly all are.
func isClean(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(text) == text
}

// Named reports whether the response names a user, in visible characters.
func (id *Identity) Named() bool {
	return id != nil && CleanText(id.Username, MaxName) != ""
}

// isPage reports whether a body is an HTML page.
func isPage(body []byte) bool {
	return strings.HasPrefix(http.DetectContentType(body), "text/html")
}

// IsText reports whether a body that is not JSON is a short message for people. A longer
// one would have to be cut, perhaps inside a secret that it quotes.
func IsText(body []byte) bool {
	const long = 1 << 10
	return len(body) > 0 && len(body) <= long && !bytes.ContainsAny(body[:1], `{["<`) && strings.HasPrefix(http.DetectContentType(body), "text/plain")
}

// BodyToken returns the token of a login whose whole body is the token. text is the decoded
// body. If the login failed, a text with spaces or line breaks is a sentence, not a token,
// and BodyToken returns an empty string.
func BodyToken(response Response, text string) string {
	if !response.OK() && strings.ContainsAny(text, " \r\n") {
		return ""
	}
	return text
}
