package transport

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"session_exporter/probe/transport/mask"
	"session_exporter/sessionapi"
)

// Trace is a request and its response with secrets removed: only the names of headers
// that are not known to be harmless, and no body that has a session.
type Trace struct {
	Request  []string // header lines, sorted
	Response []string // header lines, sorted
	Body     string   // beginning of the response's body, as one line
	Failure  string   // why the response is incomplete
}

// NotShown replaces a text that is not shown.
const NotShown = "<not shown>"

const (
	maxTraceBody    = 2 << 10 // characters
	maxTraceHeaders = 40
)

// The headers whose values are shown. Any other may be secret.
var (
	plainRequestHeaders  = []string{"Accept", "Accept-Encoding", "Cache-Control", "Content-Type", "User-Agent"}
	plainResponseHeaders = []string{
		"Allow", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date",
		"Retry-After", "Server", "Transfer-Encoding", "Via", "Www-Authenticate",
	}
)

// Trace returns the parts of an exchange that may be shown. A secret body is not shown.
// The body of a failed exchange is not shown, because it might be cut off inside a secret;
// the caller adds the failure.
func (x *Exchange) Trace(m mask.Masker, secretBody bool) *Trace {
	t := &Trace{
		Request:  headerLines(x.Header, plainRequestHeaders, m),
		Response: headerLines(x.Response.Header, plainResponseHeaders, m),
	}
	switch {
	case x.Err != nil:
	case x.TooLarge:
		t.Body = "<too large>"
	case secretBody:
		t.Body = NotShown
	default:
		t.Body = sessionapi.CleanText(m.Mask(string(x.Response.Body[:min(len(x.Response.Body), 8*maxTraceBody)])), maxTraceBody)
	}
	return t
}

func headerLines(header http.Header, plain []string, m mask.Masker) []string {
	lines := make([]string, 0, len(header))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			switch {
			case slices.Contains(plain, name):
			case name == "Location":
				value = withoutQuery(value)
			default:
				value = NotShown
			}
			lines = append(lines, sessionapi.CleanText(m.Mask(name+": "+value), sessionapi.MaxMessage))
		}
		if len(lines) >= maxTraceHeaders {
			return append(lines[:maxTraceHeaders], "…")
		}
	}
	return lines
}

// withoutQuery returns a redirect's target without the query, in which single sign-on
// has tokens.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return NotShown
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
