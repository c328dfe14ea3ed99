package probe

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// Trace is a request and its answer for people to look at. What might be a secret
// is not in it: of headers that are not known to be harmless only the names, of
// bodies nothing that gives a session.
type Trace struct {
	Request  []string // header lines, sorted
	Response []string // header lines, sorted
	Body     string   // beginning of the answer's body, in one line
	Failure  string   // why no complete answer came
}

const (
	maxTraceBody    = 2 << 10 // characters
	maxTraceHeaders = 40
	notShown        = "<not shown>"
)

type traceKey struct{}

// WithTrace asks the probes of a context to trace every step. Without it they
// trace those that fail.
func WithTrace(ctx context.Context) context.Context {
	return context.WithValue(ctx, traceKey{}, true)
}

func traces(ctx context.Context) bool { return ctx.Value(traceKey{}) != nil }

// The headers whose values are shown. Everything else may be a secret, whoever
// sends it.
var (
	plainRequestHeaders  = []string{"Accept", "Content-Type", "User-Agent"}
	plainResponseHeaders = []string{
		"Allow", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date",
		"Retry-After", "Server", "Transfer-Encoding", "Via", "Www-Authenticate",
	}
)

// trace returns what of an exchange may be shown.
func (x *exchange) trace(m *mask) *Trace {
	t := &Trace{
		Request:  headerLines(x.header, plainRequestHeaders, m),
		Response: headerLines(x.answer.Header, plainResponseHeaders, m),
	}
	switch {
	case x.err != nil:
		// And no body: it may end in the middle of a secret, which no mask knows.
		t.Failure = x.failure(m)
	case x.tooLarge:
		t.Body = "<too large>"
	case x.answer.ok() && (x.step == Login || x.step == Token):
		t.Body = notShown // a session is in it, wherever this API puts it
	default:
		t.Body = clean(m.texts.Replace(string(x.answer.Body)), maxTraceBody)
	}
	return t
}

func headerLines(header http.Header, plain []string, m *mask) []string {
	lines := make([]string, 0, len(header))
	for _, name := range sortedKeys(header) {
		for _, value := range header[name] {
			switch {
			case slices.Contains(plain, name):
			case name == "Location":
				value = withoutQuery(value)
			default:
				value = notShown
			}
			lines = append(lines, clean(m.texts.Replace(name+": "+value), maxMessage))
		}
		if len(lines) >= maxTraceHeaders {
			return append(lines[:maxTraceHeaders], "…")
		}
	}
	return lines
}

// withoutQuery keeps what tells where a redirect leads. Single sign-on has tokens
// in the rest.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return notShown
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
