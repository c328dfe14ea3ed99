package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
	"session_exporter/web/page"
)

// maxWait limits how long a request waits for its probe. The result of a longer probe
// appears on the endpoint's page.
const maxWait = 30 * time.Second

// probeNow probes an endpoint regardless of back-off and responds with the result, or
// with the reason why nothing was sent.
func (s *server) probeNow(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("endpoint")
	if name == "" {
		s.writeError(w, r, http.StatusBadRequest, "Missing parameter: POST /-/probe?endpoint=NAME")
		return
	}
	if mustNotWait(r) {
		s.writeError(w, r, http.StatusServiceUnavailable, page.Sentence(errTooManyWaiting.Error()))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	probed, err := s.Collector.ProbeNow(ctx, name)
	tooSoon, isTooSoon := errors.AsType[*collector.TooSoonError](err)
	switch {
	case isBrowser(r) && errors.Is(err, context.DeadlineExceeded):
		redirectBack(w, r, "waiting")
	case errors.Is(err, context.DeadlineExceeded):
		writeText(w, http.StatusAccepted, "The probe is still running. Its result will appear on the endpoint's page.")
	case errors.Is(err, collector.ErrNoEndpoint):
		s.writeError(w, r, http.StatusNotFound, fmt.Sprintf("Unknown endpoint %q", name))
	case isTooSoon:
		s.writeNothingSent(w, r, name, tooSoon.Error(), tooSoon.Until)
	case err != nil:
		s.writeError(w, r, errorStatus(err), page.Sentence(err.Error()))
	case !probed.Result.Attempted:
		why, until := whyNothingSent(&probed.Result)
		s.writeNothingSent(w, r, name, why, until)
	case isBrowser(r):
		redirectBack(w, r, "probed")
	default:
		writeText(w, http.StatusOK, strings.TrimSuffix(resultText(&probed.Result), "\n"))
	}
}

// whyNothingSent returns why a probe that ignores back-off sent nothing, and when the
// next probe may send, zero if unknown.
func whyNothingSent(r *probe.Result) (why string, until time.Time) {
	switch {
	case r.HeldCredential != "":
		return fmt.Sprintf("the lockout guard holds back logins with credential %q", r.HeldCredential), r.ResumeAt
	case r.Pending:
		return "the response to an earlier login is outstanding, and its secret has not been accepted yet", time.Time{}
	case !r.RetryAfterUntil.IsZero():
		return "the appliance requested a pause (Retry-After)", r.RetryAfterUntil
	default: // the diagnosis has the reason, for example a missing credential
		return strings.TrimSuffix(r.Diagnosis, "."), r.ResumeAt
	}
}

// writeNothingSent responds with 409 when a requested probe sent nothing. A browser gets
// the endpoint's page.
func (s *server) writeNothingSent(w http.ResponseWriter, r *http.Request, name, why string, until time.Time) {
	text := "Nothing was sent: " + why + "."
	if now := time.Now(); until.After(now) {
		setRetryAfter(w, until)
		text += " Try again " + page.FormatTime(until, now) + "."
	}
	statuses := s.Collector.Statuses(name)
	if !isBrowser(r) || len(statuses) == 0 {
		writeText(w, http.StatusConflict, text)
		return
	}
	s.pages.NothingSent(w, &statuses[0], why, until)
}
