package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"session_exporter/collector"
)

// Lifecycle is what may be asked of the exporter besides telling.
type Lifecycle interface {
	// Ready reports whether the exporter does its work.
	Ready() bool
	// Reload loads the configuration again. Its error says why the old one
	// goes on.
	Reload() error
	// Resume lifts the lockout guard of a credential. It reports whether there
	// is one of that name.
	Resume(credential string) bool
}

// maxWait is how long somebody waits for a probe that they asked for. What takes
// longer ends by itself, and shows on the page when it does.
const maxWait = 30 * time.Second

// maxForm is how many bytes a form of ours may have.
const maxForm = 64 << 10

// notices are what a page says about what was just done. A link brings only the
// key, so that nobody can make the page say anything else.
var notices = map[string]string{
	"resumed": "Logins resume: the secret is tried again now.",
	"probed":  "Probed just now.",
	"waiting": "The probe takes long. Its result will show here when it ends.",
}

func (o *server) handleLifecycle(mux *http.ServeMux, prefix string) {
	mux.HandleFunc("GET "+prefix+"/-/healthy", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "Healthy") })
	mux.HandleFunc("GET "+prefix+"/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !o.Lifecycle.Ready() {
			answer(w, http.StatusServiceUnavailable, "Not ready")
			return
		}
		answer(w, http.StatusOK, "Ready")
	})
	mux.HandleFunc("POST "+prefix+"/-/reload", o.reload)
	mux.HandleFunc("POST "+prefix+"/-/resume", o.resume)
	mux.HandleFunc("POST "+prefix+"/-/probe", o.probeNow)
}

func (o *server) reload(w http.ResponseWriter, _ *http.Request) {
	if err := o.Lifecycle.Reload(); err != nil {
		answer(w, http.StatusInternalServerError, fmt.Sprintf("The configuration was not reloaded, the old one goes on:\n%v", err))
		return
	}
	answer(w, http.StatusOK, "Reloaded")
}

func (o *server) resume(w http.ResponseWriter, r *http.Request) {
	switch credential := r.URL.Query().Get("credential"); {
	case credential == "":
		o.complain(w, r, http.StatusBadRequest, "Name the credential whose logins are to resume: POST /-/resume?credential=NAME")
	case !o.Lifecycle.Resume(credential):
		o.complain(w, r, http.StatusNotFound, fmt.Sprintf("The configuration has no credential %q", credential))
	case isBrowser(r):
		goBack(w, r, "resumed")
	default:
		answer(w, http.StatusOK, "Resumed")
	}
}

// probeNow probes an endpoint and tells in words what was found.
func (o *server) probeNow(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("endpoint")
	if name == "" {
		o.complain(w, r, http.StatusBadRequest, "Name the endpoint to probe: POST /-/probe?endpoint=NAME")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	found, err := o.Collector.Probe(ctx, name, 0)
	switch {
	case isBrowser(r) && errors.Is(err, context.DeadlineExceeded):
		goBack(w, r, "waiting")
	case errors.Is(err, context.DeadlineExceeded):
		answer(w, http.StatusAccepted, "The probe takes long. Its result will show on the endpoint's page when it ends.")
	case errors.Is(err, collector.ErrNoEndpoint):
		o.complain(w, r, http.StatusNotFound, fmt.Sprintf("The configuration has no endpoint %q", name))
	case err != nil:
		o.complain(w, r, statusOf(err), sentence(err.Error()))
	case isBrowser(r):
		goBack(w, r, "probed")
	default:
		answer(w, http.StatusOK, strings.TrimSuffix(inWords(&found.Result), "\n"))
	}
}

// isBrowser reports whether a person with a page asks, and not a script.
func isBrowser(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// goBack leads a browser to the page whose form it sent, which says what was
// done: of one endpoint, or the overview with its filters. The way there is
// relative, as all links are, and made here: a form cannot lead elsewhere.
func goBack(w http.ResponseWriter, r *http.Request, done string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	to, values := "../", url.Values{}
	if name := r.FormValue("endpoint"); name != "" {
		to += endpointLink(name)
	} else if back, err := url.ParseQuery(r.PostFormValue("back")); err == nil {
		values = back
	}
	values.Set("done", done)
	separator := "?"
	if strings.Contains(to, separator) { // a name that is in the query
		separator = "&"
	}
	w.Header().Set("Location", to+separator+values.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// complain says what is wrong with a request that is to do something.
func (o *server) complain(w http.ResponseWriter, r *http.Request, status int, text string) {
	if isBrowser(r) {
		o.problem(w, status, "../", text)
		return
	}
	answer(w, status, text)
}

// problem is the page for what is not there or went wrong.
func (o *server) problem(w http.ResponseWriter, status int, root, text string) {
	o.render(w, status, "problem", &layout{Root: root, Title: http.StatusText(status) + " - session_exporter", Main: text})
}

// sentence makes one of an error.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }
