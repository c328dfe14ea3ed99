package web

import (
	"errors"
	"fmt"
	"net/http"

	"session_exporter/probe"
	"session_exporter/web/page"
)

// Lifecycle is how requests control the exporter.
type Lifecycle interface {
	// Ready reports whether the exporter accepts scrapes. It is false once the exporter is
	// stopping.
	Ready() bool
	// Reload reloads the configuration. On an error the previous configuration
	// stays active.
	Reload() error
	// Resume permits one login of a credential that the lockout guard holds back, and
	// ends the back-off of its endpoints. It fails with probe.ErrNoCredential or with
	// a *probe.ResumeLimitError.
	Resume(credential string) error
}

// maxFormSize limits the body of a request, in bytes. Only requests from our own forms need a
// body.
const maxFormSize = 64 << 10

func (s *server) handleLifecycle(mux *http.ServeMux, prefix string) {
	mux.HandleFunc("GET "+prefix+"/-/healthy", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "Healthy") })
	mux.HandleFunc("GET "+prefix+"/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !s.Lifecycle.Ready() {
			writeText(w, http.StatusServiceUnavailable, "Not ready")
			return
		}
		writeText(w, http.StatusOK, "Ready")
	})
	for path, handler := range map[string]http.HandlerFunc{"/-/reload": s.reload, "/-/resume": s.resume, "/-/probe": s.probeNow} {
		if s.ReadOnly {
			handler = s.refuseChange
		}
		mux.HandleFunc("POST "+prefix+path, handler)
	}
}

// refuseChange responds to requests that would change state if ReadOnly is set.
func (s *server) refuseChange(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, http.StatusForbidden, "Requests that change state are disabled (--no-web.enable-lifecycle).")
}

func (s *server) reload(w http.ResponseWriter, _ *http.Request) {
	if err := s.Lifecycle.Reload(); err != nil {
		writeText(w, http.StatusInternalServerError, fmt.Sprintf("Reload failed, keeping the previous configuration:\n%v", err))
		return
	}
	writeText(w, http.StatusOK, "Reloaded")
}

func (s *server) resume(w http.ResponseWriter, r *http.Request) {
	credential := r.URL.Query().Get("credential")
	if credential == "" {
		s.writeError(w, r, http.StatusBadRequest, "Missing parameter: POST /-/resume?credential=NAME")
		return
	}
	err := s.Lifecycle.Resume(credential)
	limit, tooOften := errors.AsType[*probe.ResumeLimitError](err)
	switch {
	case tooOften:
		setRetryAfter(w, limit.Next)
		s.writeError(w, r, http.StatusTooManyRequests, page.Sentence(limit.Error()))
	case err != nil:
		s.writeError(w, r, http.StatusNotFound, fmt.Sprintf("Unknown credential %q", credential))
	case isBrowser(r):
		redirectBack(w, r, "resumed")
	default:
		writeText(w, http.StatusOK, "Resumed")
	}
}
