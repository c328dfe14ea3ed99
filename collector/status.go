package collector

import (
	"cmp"
	"slices"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

// Overview is the little that is known of every endpoint at a glance.
type Overview struct {
	Endpoint  *config.Endpoint
	State     probe.State
	Since     time.Time     // when the first probe in a row that found it began
	LastProbe time.Time     // when the last probe began, zero before the first
	Duration  time.Duration // of the last probe
	Withheld  string        // the credential that the guard withheld from it, empty for none
}

// Status is what is known of an endpoint, for people: a copy.
type Status struct {
	Overview
	Result              probe.Result // of the last probe
	ConsecutiveFailures int
	LastSuccess         time.Time

	Verdict   probe.Verdict // the last conclusive one
	VerdictAt time.Time

	Probes, Failures, Logins, LoginFailures, Logouts, Expirations float64

	Lifetime          time.Duration // of the last session that the appliance ended
	CertificateExpiry time.Time
	Next              time.Time // when the schedule probes it again; zero while it is probed
	History           []Past    // the oldest first
	// Failure is the last probe that was sent and did not find a valid session,
	// nil when there was none.
	Failure *probe.Result
}

// Overviews returns all endpoints, in the order of the configuration.
func (c *Collector) Overviews() []Overview {
	now := c.applied.Load()
	all := make([]Overview, 0, len(now.watched))
	for _, w := range now.watched {
		w.mu.Lock()
		all = append(all, w.overview())
		w.mu.Unlock()
	}
	return all
}

// Statuses returns what is known of the endpoints of these names, in their order.
// Names that the configuration does not have are left out.
func (c *Collector) Statuses(names ...string) []Status {
	now := c.applied.Load()
	targets := make(map[*target]bool, len(names))
	for _, name := range names {
		if w, known := now.byName[name]; known {
			targets[w.target] = true
		}
	}
	due := c.schedule.dueTimes(targets)
	all := make([]Status, 0, len(names))
	for _, name := range names {
		if w, known := now.byName[name]; known {
			status := w.status()
			status.Next = due[w.target]
			all = append(all, status)
		}
	}
	return all
}

// overview is taken with mu held.
func (w watched) overview() Overview {
	last := &w.state.result
	return Overview{Endpoint: w.endpoint, State: last.State, Since: w.state.since, LastProbe: last.Start, Duration: last.Duration, Withheld: last.Withheld}
}

func (w watched) status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.state
	return Status{
		Overview:            w.overview(),
		Result:              s.result,
		ConsecutiveFailures: s.consecutiveFailures,
		LastSuccess:         s.lastSuccess,
		Verdict:             s.verdict,
		VerdictAt:           s.verdictAt,
		Probes:              s.probes,
		Failures:            s.failures,
		Logins:              s.logins,
		LoginFailures:       s.loginFailures,
		Logouts:             s.logouts,
		Expirations:         s.expirations,
		Lifetime:            s.lifetime,
		CertificateExpiry:   s.certificateExpiry,
		History:             s.history.all(),
		Failure:             s.failure,
	}
}

// Credentials tells how the credentials at work stand, sorted by name.
func (c *Collector) Credentials() []probe.CredentialStatus {
	all := c.metrics.credentials()
	slices.SortFunc(all, func(a, b probe.CredentialStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
