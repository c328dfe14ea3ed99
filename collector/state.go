package collector

import (
	"maps"
	"slices"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// maxCodes is how many error codes of one endpoint have their own series. An appliance
// that invents codes must not fill the database.
const maxCodes = 20

// otherCode counts all further codes.
const otherCode = "other"

// state is what is known about an endpoint. It does not grow after its history is full.
type state struct {
	version     uint64       // incremented by each change
	result      probe.Result // of the last probe
	since       time.Time    // start of the first of the consecutive probes with this state
	consecutive int          // number of them
	history     history
	changes     changes
	valid       validTime
	failure     *probe.Result // of the last probe that sent something and found no valid session

	probes, failures    float64
	consecutiveFailures int
	lastSuccess         time.Time

	verdict   sessionapi.Verdict // the last conclusive one
	verdictAt time.Time
	rejected  bool // whether the last login, or the last verdict, is the refusal of a credential

	codes map[string]float64 // counts of error codes

	logins, loginFailures, unanswered, logouts, logoutFailures, expirations float64
	lifetime                                                                time.Duration

	duration histogram // of probes that sent something

	// Kept from earlier probes: a probe may end before it measures them.
	lastRequest       time.Time
	phases            *probe.Phases
	certificateExpiry time.Time
}

// newState returns the state of an endpoint that was not probed yet. documented are its
// API's error codes, operation is the API's name of an operation ID.
func newState(documented []string, operation string) state {
	s := state{
		version:  1,
		result:   probe.Result{State: sessionapi.Unknown},
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

// record records the result of a probe.
func (s *state) record(r *probe.Result) {
	s.version++
	if r.State != s.result.State {
		s.changes.add(s.result.State, s.consecutive, r)
		s.since, s.consecutive = r.Start, 0
	}
	s.consecutive++
	s.valid.record(r.Start, r.State == sessionapi.Valid)
	s.result = *r
	s.history.add(r)
	if last, sent := r.Last(); sent {
		s.duration.observe(r.Duration, last.OpID)
	}
	if r.State != sessionapi.Valid && len(r.Steps) > 0 {
		s.failure = r
	}
	s.probes++
	if r.State == sessionapi.Valid {
		s.consecutiveFailures, s.lastSuccess = 0, r.Start
	} else {
		s.failures++
		s.consecutiveFailures++
	}
	// A result that is repeated because nothing was sent is not a new verdict.
	if verdict := r.State.Verdict(); verdict != sessionapi.Inconclusive && len(r.Steps) > 0 {
		s.verdict, s.verdictAt = verdict, r.Start.Add(r.Duration)
		s.rejected = r.State == sessionapi.CredentialsRejected
	} else if r.Logins > 0 && r.State != sessionapi.LoginSuspended { // of a pairing, the other site's is held back
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
	s.logins += float64(r.Logins)
	s.loginFailures += float64(r.LoginFailures)
	s.countLogouts(r)
	s.expirations += float64(r.Expirations)
	if r.Expirations > 0 {
		s.lifetime = r.Lifetime
	}
	s.recordRequest(r)
	if !r.CertificateExpiry.IsZero() {
		s.certificateExpiry = r.CertificateExpiry
	}
}

// recordClose records that the session, if any, was given up, and the result of that.
func (s *state) recordClose(r *probe.Result) {
	s.version++
	s.countLogouts(r)
	s.recordRequest(r)
	s.result.Established = time.Time{}
}

// recordRequest records when a request was last sent.
func (s *state) recordRequest(r *probe.Result) {
	if !r.LastRequest.IsZero() {
		s.lastRequest = r.LastRequest
	}
}

// created returns when the counters started.
func (s *state) created() time.Time { return time.Unix(0, s.duration.created) }

// countLogouts counts logouts, and sessions that may have been left.
func (s *state) countLogouts(r *probe.Result) {
	s.unanswered += float64(r.Unanswered)
	s.logouts += float64(r.Logouts)
	s.logoutFailures += float64(r.LogoutFailures)
}

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
