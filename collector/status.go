package collector

import (
	"cmp"
	"slices"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// Overview is the essential part of an endpoint's status.
type Overview struct {
	Endpoint       *config.Endpoint
	State          sessionapi.State
	Since          time.Time     // start of the first of the consecutive probes with this state
	LastProbe      time.Time     // start of the last probe, zero before the first
	Duration       time.Duration // of the last probe
	HeldCredential string        // the credential that the guard holds back here, empty without one
	// Rejected reports whether the endpoint itself refused the credential: in the last
	// probe, or before the guard held it back. A secret that replaced the refused one was
	// not rejected.
	Rejected bool
}

// Record is what an endpoint's state and its status have in common.
type Record struct {
	Result probe.Result // of the last probe
	// Failure is the result of the last probe that attempted a request and found no valid
	// session, nil if there was none.
	Failure             *probe.Result
	ConsecutiveFailures int
	LastSuccess         time.Time

	Verdict   sessionapi.Verdict // the last conclusive one
	VerdictAt time.Time

	Probes, Failures, Logins, LoginFailures, Logouts, Expirations float64

	// A probe may end before it sends a request or sees a certificate. These are from the
	// last one that did.
	LastRequest       time.Time // when a request was last sent, zero before the first
	CertificateExpiry time.Time
	Lifetime          time.Duration // of the last session terminated by the appliance
}

// Status is a copy of an endpoint's state, to be shown.
type Status struct {
	Overview
	Record
	Next    time.Time   // start of the next scheduled probe; zero while one runs
	History []PastProbe // the oldest first
	Changes []Change    // the oldest first
	// ValidHour and ValidDay are the shares of valid time of the last hour and 24 hours.
	ValidHour, ValidDay ValidShare
}

// Overviews returns the overviews of all endpoints, in the order of the configuration.
func (c *Collector) Overviews() []Overview {
	current := c.applied.Load()
	all := make([]Overview, 0, len(current.watched))
	for _, w := range current.watched {
		w.mu.Lock()
		all = append(all, w.overviewLocked())
		w.mu.Unlock()
	}
	return all
}

// Statuses returns the status of the endpoints with these names, in this order. It omits
// names that the configuration does not have.
func (c *Collector) Statuses(names ...string) []Status {
	current := c.applied.Load()
	targets := make(map[*target]bool, len(names))
	for _, name := range names {
		if w, known := current.byName[name]; known {
			targets[w.target] = true
		}
	}
	due := c.schedule.dueTimes(targets)
	all := make([]Status, 0, len(names))
	for _, name := range names {
		if w, known := current.byName[name]; known {
			status := w.status()
			status.Next = due[w.target]
			all = append(all, status)
		}
	}
	return all
}

func (w watched) overviewLocked() Overview {
	last := &w.state.Result
	return Overview{
		Endpoint: w.endpoint, State: last.State, Since: w.state.since, LastProbe: last.Start, Duration: last.Duration, HeldCredential: last.HeldCredential,
		Rejected: last.State == sessionapi.CredentialsRejected || last.State == sessionapi.LoginSuspended && w.state.rejected && last.RefusedBefore,
	}
}

func (w watched) status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, now := &w.state, time.Now()
	return Status{
		Overview:  w.overviewLocked(),
		Record:    s.Record,
		History:   s.history.all(),
		Changes:   s.changes.all(s.consecutive),
		ValidHour: s.valid.share(now, time.Hour),
		ValidDay:  s.valid.share(now, validWindow),
	}
}

// Credentials returns the status of all credentials, sorted by name.
func (c *Collector) Credentials() []probe.CredentialStatus {
	all := c.metrics.credentials()
	slices.SortFunc(all, func(a, b probe.CredentialStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
