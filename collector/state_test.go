package collector

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// minute returns the start of a result in these tests.
func minute(n int) time.Time { return time.Unix(1_800_000_000+60*int64(n), 0) }

// at returns the result of a probe that started at a minute and took 2 s.
func at(n int, state sessionapi.State, steps ...probe.StepResult) probe.Result {
	return probe.Result{State: state, Start: minute(n), Duration: 2 * time.Second, Steps: steps}
}

var check = probe.StepResult{Step: sessionapi.Check, Status: 200}

func recorded(results ...probe.Result) state {
	s := newState(nil, "")
	for i := range results {
		s.record(&results[i])
	}
	return s
}

func TestVerdict(t *testing.T) {
	judged := func(n int) time.Time { return minute(n).Add(2 * time.Second) }
	for _, tc := range []struct {
		name    string
		results []probe.Result
		verdict sessionapi.Verdict
		at      time.Time
	}{
		{name: "not probed"},
		{"accepted", []probe.Result{at(0, sessionapi.Valid, check)}, sessionapi.Accepted, judged(0)},
		{"unexpected is accepted", []probe.Result{at(0, sessionapi.Unexpected, check)}, sessionapi.Accepted, judged(0)},
		{"forbidden is accepted", []probe.Result{at(0, sessionapi.Forbidden, check)}, sessionapi.Accepted, judged(0)},
		{"refused", []probe.Result{at(0, sessionapi.CredentialsRejected, check)}, sessionapi.Refused, judged(0)},
		{"expired is refused", []probe.Result{at(0, sessionapi.SessionExpired, check)}, sessionapi.Refused, judged(0)},
		{"the last one counts", []probe.Result{at(0, sessionapi.Valid, check), at(1, sessionapi.CredentialsRejected, check), at(2, sessionapi.Valid, check)}, sessionapi.Accepted, judged(2)},
		{"confirmed", []probe.Result{at(0, sessionapi.Valid, check), at(1, sessionapi.Valid, check)}, sessionapi.Accepted, judged(1)},
		{"outage before the first", []probe.Result{at(0, sessionapi.Unreachable, check), at(1, sessionapi.Timeout, check)}, sessionapi.Inconclusive, time.Time{}},
		{
			"accepted, then an outage of every kind", []probe.Result{
				at(0, sessionapi.Valid, check), at(1, sessionapi.Unreachable, check), at(2, sessionapi.Timeout, check), at(3, sessionapi.TLSFailed, check),
				at(4, sessionapi.ServerError, check), at(5, sessionapi.InvalidResponse, check), at(6, sessionapi.BadRequest, check), at(7, sessionapi.RateLimited, check),
				at(8, sessionapi.LoginSuspended), at(9, sessionapi.CredentialMissing),
			}, sessionapi.Accepted, judged(0),
		},
		{"refused, then an outage", []probe.Result{at(0, sessionapi.CredentialsRejected, check), at(1, sessionapi.Unreachable, check)}, sessionapi.Refused, judged(0)},
		{"refused, then in back-off", []probe.Result{at(0, sessionapi.CredentialsRejected, check), at(1, sessionapi.CredentialsRejected), at(2, sessionapi.CredentialsRejected)}, sessionapi.Refused, judged(0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := recorded(tc.results...)
			if s.Verdict != tc.verdict || !s.VerdictAt.Equal(tc.at) {
				t.Errorf("verdict %d at %s, want %d at %s", s.Verdict, s.VerdictAt, tc.verdict, tc.at)
			}
		})
	}
}

// An endpoint counts as having rejected its credential until its next verdict or login; a login
// that is held back, or an outage, is neither. During an outage, its overview does not show it.
func TestRejected(t *testing.T) {
	rejected, held := at(0, sessionapi.CredentialsRejected, check), at(2, sessionapi.LoginSuspended)
	held.RefusedBefore = true
	notRefused := at(2, sessionapi.LoginSuspended) // the endpoint has not refused this secret
	answered := at(1, sessionapi.ServerError, check)
	answered.Logins = 1
	remote := at(1, sessionapi.LoginSuspended, check) // the local login was sent
	remote.Logins, remote.RefusedBefore = 1, true
	for _, tc := range []struct {
		name    string
		results []probe.Result
		want    bool
	}{
		{"not probed", nil, false},
		{"rejected", []probe.Result{rejected}, true},
		{"rejected, then held back", []probe.Result{rejected, held}, true},
		{"rejected, an outage, then held back", []probe.Result{rejected, at(1, sessionapi.Unreachable, check), held}, true},
		{"an outage", []probe.Result{rejected, at(1, sessionapi.Unreachable, check)}, false},
		{"rejected, then a new secret is held back", []probe.Result{rejected, notRefused}, false},
		{"rejected, replaced in an outage, then held back", []probe.Result{rejected, at(1, sessionapi.Unreachable, check), notRefused}, false},
		{"rejected, a new secret gets an error, then is held back", []probe.Result{rejected, answered, held}, false},
		{"rejected, then held back at the other site", []probe.Result{rejected, remote}, true},
		{"held back because of another endpoint", []probe.Result{at(0, sessionapi.Valid, check), notRefused}, false},
		{"rejected, valid again, then held back", []probe.Result{rejected, at(1, sessionapi.Valid, check), held}, false},
		{"the session expired, then held back", []probe.Result{rejected, at(1, sessionapi.SessionExpired, check), held}, false},
	} {
		w := watched{target: &target{state: recorded(tc.results...)}}
		if got := w.overviewLocked().Rejected; got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

func TestProbesAndFailures(t *testing.T) {
	for _, tc := range []struct {
		name                          string
		results                       []probe.Result
		probes, failures, consecutive int
		lastSuccess                   time.Time
	}{
		{name: "not probed"},
		{"valid", []probe.Result{at(0, sessionapi.Valid, check), at(1, sessionapi.Valid, check)}, 2, 0, 0, minute(1)},
		{"never valid", []probe.Result{at(0, sessionapi.Timeout, check), at(1, sessionapi.Unexpected, check)}, 2, 2, 2, time.Time{}},
		{"valid, then not", []probe.Result{at(0, sessionapi.Valid, check), at(1, sessionapi.Forbidden, check), at(2, sessionapi.LoginSuspended)}, 3, 2, 2, minute(0)},
		{"valid again", []probe.Result{at(0, sessionapi.Timeout, check), at(1, sessionapi.Timeout, check), at(2, sessionapi.Valid, check)}, 3, 2, 0, minute(2)},
		{"and invalid again", []probe.Result{at(0, sessionapi.Timeout, check), at(1, sessionapi.Valid, check), at(2, sessionapi.Timeout, check)}, 3, 2, 1, minute(1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := recorded(tc.results...)
			if int(s.Probes) != tc.probes || int(s.Failures) != tc.failures || s.ConsecutiveFailures != tc.consecutive || !s.LastSuccess.Equal(tc.lastSuccess) {
				t.Errorf("%v probes, %v failures, %d consecutive, last success %s", s.Probes, s.Failures, s.ConsecutiveFailures, s.LastSuccess)
			}
		})
	}
}

// A probe that finds no phases, certificate or expiration keeps the earlier ones.
func TestValuesOutliveTheirProbe(t *testing.T) {
	phases := func(d time.Duration) probe.Phases { return probe.Phases{Processing: d} }
	first := at(0, sessionapi.Valid,
		probe.StepResult{Step: sessionapi.Login, Phases: phases(1)},
		probe.StepResult{Step: sessionapi.Check, Phases: phases(2)},
		probe.StepResult{Step: sessionapi.Check, Phases: phases(3)},
		probe.StepResult{Step: sessionapi.Logout, Phases: phases(4)})
	first.CertificateExpiry = minute(1000)
	first.Expirations, first.Lifetime = 1, 30*time.Minute
	first.Identity = &sessionapi.Identity{Username: "a"}

	s := recorded(first)
	if s.phases == nil || s.phases.Processing != 3 {
		t.Errorf("phases %v, want those of the last check", s.phases)
	}
	loginOnly := at(1, sessionapi.CredentialsRejected, probe.StepResult{Step: sessionapi.Login, Phases: phases(5)})
	suspended := at(2, sessionapi.LoginSuspended)
	s.record(&loginOnly)
	s.record(&suspended)
	if s.phases.Processing != 3 {
		t.Errorf("phases %v, want those of the last check", s.phases)
	}
	if !s.CertificateExpiry.Equal(minute(1000)) || s.Lifetime != 30*time.Minute {
		t.Errorf("certificate until %s, lifetime %s", s.CertificateExpiry, s.Lifetime)
	}
	if s.Result.Identity != nil {
		t.Error("identity without a session")
	}
	renewed := at(3, sessionapi.TLSFailed, check)
	renewed.CertificateExpiry, renewed.Lifetime = minute(-5), time.Hour
	s.record(&renewed)
	if !s.CertificateExpiry.Equal(minute(-5)) {
		t.Errorf("certificate until %s, want the bad one's date", s.CertificateExpiry)
	}
	if s.Lifetime != 30*time.Minute {
		t.Errorf("lifetime %s without an expiration", s.Lifetime)
	}
}

func TestCounters(t *testing.T) {
	one := at(0, sessionapi.Valid, check)
	one.Logins, one.LoginFailures, one.Logouts, one.Expirations = 4, 3, 2, 1
	s := recorded(one, at(1, sessionapi.Valid, check), one)
	if got, want := fmt.Sprint(s.Logins, s.LoginFailures, s.Logouts, s.Expirations), "8 6 4 2"; got != want {
		t.Errorf("logins, failures, logouts, expirations %s, want %s", got, want)
	}
}

func TestCodes(t *testing.T) {
	codes := func(prefix string, n int) (steps []probe.StepResult) {
		for i := range n {
			steps = append(steps, probe.StepResult{Step: sessionapi.Check, Code: fmt.Sprint(prefix, i)})
		}
		return steps
	}
	documented := []string{"A", "B"}
	other := probe.StepResult{Step: sessionapi.Check, Code: "other"}
	for _, tc := range []struct {
		name  string
		steps []probe.StepResult
		want  map[string]float64 // besides those that are 1
		codes int
	}{
		{"documented ones from the start", nil, map[string]float64{"A": 0, "B": 0}, 2},
		{"no code", []probe.StepResult{check}, map[string]float64{"A": 0, "B": 0}, 2},
		{"documented", []probe.StepResult{{Step: sessionapi.Login, Code: "A"}, {Step: sessionapi.Check, Code: "A"}, {Step: sessionapi.Logout, Code: "A"}, {Step: sessionapi.Token, Code: "A"}}, map[string]float64{"A": 2, "B": 0}, 2},
		{"18 more", codes("x", 18), map[string]float64{"A": 0, "B": 0}, 20},
		{"19 more", codes("x", 19), map[string]float64{"A": 0, "B": 0, "other": 1}, 21},
		{"1000 more", codes("x", 1000), map[string]float64{"A": 0, "B": 0, "other": 982}, 21},
		{"known ones are still counted", append(codes("x", 1000), probe.StepResult{Step: sessionapi.Check, Code: "A"}, probe.StepResult{Step: sessionapi.Check, Code: "x3"}), map[string]float64{"A": 1, "B": 0, "x3": 2, "other": 982}, 21},
		{"a code called other", []probe.StepResult{other}, map[string]float64{"A": 0, "B": 0, "other": 1}, 3},
		{"and many more", append([]probe.StepResult{other}, codes("x", 1000)...), map[string]float64{"A": 0, "B": 0, "other": 984}, 20},
		{"after many more", append(codes("x", 1000), other), map[string]float64{"A": 0, "B": 0, "other": 983}, 21},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newState(documented, "")
			for _, step := range tc.steps {
				before := maps.Clone(s.codes)
				result := at(0, sessionapi.ServerError, step)
				s.record(&result)
				for code, count := range before {
					if s.codes[code] < count {
						t.Fatalf("%s went down from %v to %v", code, count, s.codes[code])
					}
				}
			}
			if len(s.codes) != tc.codes {
				t.Errorf("%d codes, want %d", len(s.codes), tc.codes)
			}
			for code, count := range s.codes {
				want, ok := tc.want[code]
				if !ok {
					want = 1
				}
				if count != want {
					t.Errorf("%s: %v, want %v", code, count, want)
				}
			}
		})
	}
}
