package probe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// readJSON decodes a body into what the API documents. Its Reading says
// InvalidResponse when the body is not that; what could be decoded is returned
// all the same, for its error code may still tell something. An empty body is
// left to the API.
func readJSON[Body any](answer Answer) (reading Reading, body Body) {
	if len(answer.Body) == 0 {
		return reading, body
	}
	err := json.Unmarshal(answer.Body, &body)
	if err == nil {
		return reading, body
	}
	reading = Reading{State: InvalidResponse, Why: "its body is not JSON"}
	typeErr, isType := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case isType && typeErr.Field == "":
		reading.Why = "its body is a JSON " + typeErr.Value + " instead of an object"
	case isType:
		reading.Why = "its field `" + typeErr.Field + "` has the wrong type, a JSON " + typeErr.Value
	case bytes.HasPrefix(bytes.TrimSpace(answer.Body), []byte("<?xml")):
		reading.Why = "its body is XML instead of JSON"
	case bytes.HasPrefix(bytes.TrimSpace(answer.Body), []byte("<")):
		reading.Why = "its body is an HTML page instead of JSON"
	}
	return reading, body
}

// dateHeader is the clock of an answer whose body has none: the Date header
// (RFC 9110, 6.6.1), which has whole seconds.
func dateHeader(header http.Header) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return unixMilli(float64(date.UnixMilli() + 500))
}

// unixMilli converts a server's clock, and gives the zero time for what no
// clock shows: it may be decades off, but not at its own zero or beyond 2200.
func unixMilli(ms float64) time.Time {
	const year2200 = 7258118400000
	if !(ms > 0 && ms < year2200) {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

// The lengths, in characters, at which texts from appliances are cut.
const (
	maxName    = 128
	maxCode    = 64
	maxMessage = 256
)

// clean makes the texts of a reading fit for labels, logs and pages.
func (r *Reading) clean() {
	r.Why = clean(r.Why, maxMessage)
	r.Code = clean(r.Code, maxCode)
	r.Message = clean(r.Message, maxMessage)
	r.OperationID = clean(r.OperationID, maxCode)
	if id := r.Identity; id != nil {
		for _, name := range []*string{&id.Username, &id.Organization, &id.Enterprise, &id.Version} {
			*name = clean(*name, maxName)
		}
		for _, names := range [][]string{id.Roles, id.Organizations} {
			for i := range names {
				names[i] = clean(names[i], maxName)
			}
		}
	}
}

// clean returns text as valid UTF-8 in one line, without control characters
// and the invisible ones that reorder what is shown (Unicode category Cf), cut
// to limit characters.
func clean(text string, limit int) string {
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

// isClean is the fast way for what nearly every text is: printable ASCII
// without outer spaces.
func isClean(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(text) == text
}

// named reports whether somebody is named, in characters that people can see.
func (id *Identity) named() bool {
	return id != nil && clean(id.Username, maxName) != ""
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
