package web

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"session_exporter/web/page"
)

// isBrowser reports whether the client accepts HTML; scripts get plain text.
func isBrowser(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// redirectBack redirects a browser to the page of the form that it submitted, an endpoint's
// page or the overview with its filters, which then shows a notice. The location is relative,
// as all links are, and built here, so that a form cannot redirect to another site.
func redirectBack(w http.ResponseWriter, r *http.Request, notice string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormSize)
	to, values := "../", url.Values{}
	if name := r.FormValue("endpoint"); name != "" {
		to += page.EndpointLink(name)
	} else if back, err := url.ParseQuery(r.PostFormValue("back")); err == nil {
		values = back
	}
	values.Set("done", notice)
	separator := "?"
	if strings.Contains(to, separator) { // the endpoint's name is in the query
		separator = "&"
	}
	w.Header().Set("Location", to+separator+values.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// writeError responds with an error as a page or, to scripts, as plain text.
func (s *server) writeError(w http.ResponseWriter, r *http.Request, status int, text string) {
	if isBrowser(r) {
		s.pages.Error(w, status, s.root(r), text)
		return
	}
	writeText(w, status, text)
}

// root returns the relative path from a request's path to the prefix.
func (s *server) root(r *http.Request) string {
	path, rest := r.URL.EscapedPath(), ""
	if below, inside := strings.CutPrefix(path, s.prefix+"/"); inside {
		path = "/" + below
	} else {
		rest = strings.TrimPrefix(s.prefix+"/", "/")
	}
	if up := strings.Count(path, "/") - 1; up > 0 {
		return strings.Repeat("../", up) + rest
	}
	return "./" + rest
}

// withErrorPages responds to browsers with pages for the errors of mux itself: paths that do
// not exist, and methods that a path does not accept.
func (s *server) withErrorPages(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isBrowser(r) {
			if handler, pattern := mux.Handler(r); pattern == "" {
				failed := &statusRecorder{header: w.Header()}
				handler.ServeHTTP(failed, r)
				switch failed.status {
				case http.StatusNotFound:
					s.writeError(w, r, failed.status, "The exporter has no page at this address.")
					return
				case http.StatusMethodNotAllowed:
					s.writeError(w, r, failed.status, fmt.Sprintf("This address accepts %s only, not %s.", w.Header().Get("Allow"), r.Method))
					return
				}
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// statusRecorder keeps the status and the header of a response, and discards its body.
type statusRecorder struct {
	header http.Header
	status int
}

func (s *statusRecorder) Header() http.Header { return s.header }

func (s *statusRecorder) WriteHeader(status int) { s.status = status }

func (s *statusRecorder) Write(p []byte) (int, error) { return len(p), nil }

// refuseHost responds to requests for a host name that is not accepted. The page reveals
// nothing about the exporter, because a page of another site may read it.
func (s *server) refuseHost(w http.ResponseWriter, r *http.Request) {
	const text = "This host name is not served here; add it to --web.hosts."
	if isBrowser(r) {
		s.pages.BareError(w, http.StatusMisdirectedRequest, s.root(r), text)
		return
	}
	writeText(w, http.StatusMisdirectedRequest, text)
}

// refuseOrigin responds to requests that a page of another site made.
func (s *server) refuseOrigin(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, http.StatusForbidden, "Requests from pages of other sites are refused. Behind a reverse proxy, set --web.external-url.")
}

// setRetryAfter sets Retry-After to the seconds until at, rounded up.
func setRetryAfter(w http.ResponseWriter, at time.Time) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(time.Until(at).Seconds()))))
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) //nolint:gosec // the content type is plain text; the client may have disconnected
}
