package collector

import (
	"maps"
	"slices"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// maxCodes limits the error codes of an endpoint. Once it has this many, further undocumented
// ones count as otherCode: an appliance that invents codes must not fill Prometheus' database.
const maxCodes = 20

const otherCode = "other" // counts the undocumented codes without a series

// state is what is known about an endpoint. Its size is limited, however long it is kept.
type state struct {
	Record
	version     uint64    // incremented by each change
	since       time.Time // start of the first of the consecutive probes with this state
	consecutive int       // number of them
	history     history
	changes     changes
	valid       validTime
	rejected    bool               // whether the last verdict is the refusal of a credential, and no login was sent since
	codes       map[string]float64 // counts of error codes
	duration    histogram          // of probes that attempted a request
	phases      *probe.Phases      // of the last check

	unanswered, logoutFailures float64
}

// newState returns the state of an endpoint that was not probed yet. documented are its
// API's error codes, operation is the API's name of an operation ID.
func newState(documented []string, operation string) state {
	s := state{
		version:  1,
		Record:   Record{Result: probe.Result{State: sessionapi.Unknown}},
		codes:    make(map[string]float64, len(documented)),
		duration: newHistogram(operation),
	}
	for _, code := range documented {
		s.codes[code] = 0
	}
	return s
}

// clone returns a deep copy: record changes maps and slices in place.
func (s *state) clone() state {
	c := *s
	c.codes = maps.Clone(s.codes)
	c.history.data = slices.Clone(s.history.data)
	c.changes.data = slices.Clone(s.changes.data)
	c.valid.buckets = slices.Clone(s.valid.buckets)
	c.duration = s.duration.clone()
	return c
}

func (s *state) record(r *probe.Result) {
	s.version++
	if r.State != s.Result.State {
		s.changes.add(s.Result.State, s.consecutive, r)
		s.since, s.consecutive = r.Start, 0
	}
	s.consecutive++
	s.Result = *r
	s.history.add(r)
	if last, sent := r.Last(); sent {
		s.duration.observe(r.Duration, last.OpID)
	}
	s.Probes++
	valid := r.State == sessionapi.Valid
	s.valid.record(r.Start, valid)
	if valid {
		s.ConsecutiveFailures, s.LastSuccess = 0, r.Start
	} else {
		s.Failures++
		s.ConsecutiveFailures++
	}
	if !valid && len(r.Steps) > 0 {
		s.Failure = r
	}
	// A result that is repeated because nothing was sent is not a new verdict.
	if verdict := r.State.Verdict(); verdict != sessionapi.Inconclusive && len(r.Steps) > 0 {
		s.Verdict, s.VerdictAt = verdict, r.Start.Add(r.Duration)
		s.rejected = r.State == sessionapi.CredentialsRejected
	} else if r.Logins > 0 && r.State != sessionapi.LoginSuspended {
		// With LoginSuspended, the login that was sent is that of a pairing's local site.
		s.rejected = false
	}
	for _, step := range r.Steps {
		switch step.Step {
		case sessionapi.Check:
			s.phases = new(step.Phases) // a copy, so as not to keep the whole step
			s.count(step.Code)
		case sessionapi.Login:
			s.count(step.Code)
		}
	}
	s.Logins += float64(r.Logins)
	s.LoginFailures += float64(r.LoginFailures)
	s.recordEnds(r)
	if !r.CertificateExpiry.IsZero() {
		s.CertificateExpiry = r.CertificateExpiry
	}
}

// recordClose records the result of Prober.Close. No session is held afterwards.
func (s *state) recordClose(r *probe.Result) {
	s.version++
	s.recordEnds(r)
	s.Result.Established = time.Time{}
}

// recordEnds records how sessions ended, those that may have been left, and when the last
// request was sent.
func (s *state) recordEnds(r *probe.Result) {
	s.Expirations += float64(r.Expirations)
	if r.Expirations > 0 {
		s.Lifetime = r.Lifetime
	}
	s.unanswered += float64(r.Unanswered)
	s.Logouts += float64(r.Logouts)
	s.logoutFailures += float64(r.LogoutFailures)
	if !r.LastRequest.IsZero() {
		s.LastRequest = r.LastRequest
	}
}

// created returns when the counters started.
func (s *state) created() time.Time { return time.Unix(0, s.duration.created) }

// count counts an error code. Empty means none.
func (s *state) count(code string) {
	if code == "" {
		return
	}
	if _, known := s.codes[code]; !known && len(s.codes) >= maxCodes {
		code = otherCode
	}
	s.codes[code]++
}
