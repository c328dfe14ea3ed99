package collector

import (
	"maps"
	"slices"
	"time"

	"session_exporter/probe"
)

// maxCodes is how many error codes of one endpoint get series of their own. An
// appliance that invents codes must not fill the database.
const maxCodes = 20

// otherCode counts the rest.
const otherCode = "other"

// state is all that is known of an endpoint. It holds nothing that grows with
// time, once its history is full.
type state struct {
	version uint64       // goes up with each change
	result  probe.Result // the last one
	since   time.Time    // when the first of its state in a row began
	history history
	failure *probe.Result // the last one that was sent and did not find a valid session

	probes, failures    float64
	consecutiveFailures int
	lastSuccess         time.Time

	verdict   probe.Verdict // the last conclusive one
	verdictAt time.Time

	codes map[string]float64 // error codes counted

	logins, loginFailures, unanswered, logouts, logoutFailures, expirations float64
	lifetime                                                                time.Duration

	duration histogram // of probes that were sent

	// These outlive the probe that found them, for the next may not come as
	// far.
	phases            *probe.Phases
	certificateExpiry time.Time
}

// newState returns the state of an endpoint whose API documents error codes, and
// has a name for the id of an operation.
func newState(documented []string, operation string) state {
	s := state{
		version:  1,
		result:   probe.Result{State: probe.Unknown},
		codes:    make(map[string]float64, len(documented)),
		duration: newHistogram(operation),
	}
	for _, code := range documented {
		s.codes[code] = 0
	}
	return s
}

// copied returns a state of its own: codes, history and duration are changed in
// place.
func (s *state) copied() state {
	own := *s
	own.codes = maps.Clone(s.codes)
	own.history.results = slices.Clone(s.history.results)
	own.duration = s.duration.copied()
	return own
}

// record takes in what a probe found.
func (s *state) record(r *probe.Result) {
	s.version++
	if r.State != s.result.State {
		s.since = r.Start
	}
	s.result = *r
	s.history.add(r)
	if last, sent := r.Last(); sent {
		s.duration.observe(r.Duration, last.OpID)
	}
	if r.State != probe.Valid && len(r.Steps) > 0 {
		s.failure = r
	}
	s.probes++
	if r.State == probe.Valid {
		s.consecutiveFailures, s.lastSuccess = 0, r.Start
	} else {
		s.failures++
		s.consecutiveFailures++
	}
	// A finding that stands while nothing is sent is no new verdict.
	if verdict := r.State.Verdict(); verdict != probe.Inconclusive && len(r.Steps) > 0 {
		s.verdict, s.verdictAt = verdict, r.Start.Add(r.Duration)
	}
	for _, step := range r.Steps {
		switch step.Step {
		case probe.Check:
			s.phases = new(step.Phases) // and not the whole step
			s.count(step.Code)
		case probe.Login:
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
	if !r.CertificateExpiry.IsZero() {
		s.certificateExpiry = r.CertificateExpiry
	}
}

// recordClose takes in that the session was given up, if one was held, and what was
// done for that.
func (s *state) recordClose(did *probe.Result) {
	s.version++
	s.countLogouts(did)
	s.result.Established = time.Time{}
}

// countLogouts counts the sessions that were ended, and those that may be left.
func (s *state) countLogouts(r *probe.Result) {
	s.unanswered += float64(r.Unanswered)
	s.logouts += float64(r.Logouts)
	s.logoutFailures += float64(r.LogoutFailures)
}

// count counts an error code, if there is one.
func (s *state) count(code string) {
	if code == "" {
		return
	}
	if _, known := s.codes[code]; !known && len(s.codes) >= maxCodes {
		code = otherCode
	}
	s.codes[code]++
}
