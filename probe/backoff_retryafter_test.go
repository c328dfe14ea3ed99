package probe

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// At a steady interval, nothing is sent until the Retry-After has passed.
func TestRateLimitIsHonored(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		header   func() string
		want     []int // seconds at which something is sent
	}{
		{"seconds", 30 * time.Second, func() string { return "120" }, []int{0, 120, 240}},
		{"seconds between probes", 50 * time.Second, func() string { return "120" }, []int{0, 150}},
		{"date", 30 * time.Second, func() string { return time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat) }, []int{0, 120, 240}},
		{"none", 60 * time.Second, func() string { return "" }, []int{0, 60, 120, 180, 240}},
	} {
		for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthToken}, {"dr", sessionapi.AuthToken}} {
			t.Run(c.name+"/"+w.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent []int
					begin := time.Now()
					limited := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
						sent = append(sent, int(time.Since(begin).Seconds()))
						rw.Header().Set("Retry-After", c.header())
						rw.WriteHeader(http.StatusTooManyRequests)
					})
					e := w.endpoint()
					e.Interval = c.interval
					appliance := &handwritten{get: []http.Handler{limited}, post: []http.Handler{w.login()}, del: []http.Handler{w.logout()}}
					p := piped(t, e, appliance)
					for _, r := range probesFor(t, p, 299*time.Second) {
						if r.State != sessionapi.RateLimited || (c.header() == "") != r.ResumeAt.IsZero() {
							t.Errorf("%s, %d steps, resumes at %s; want %s", r.State, len(r.Steps), r.ResumeAt, sessionapi.RateLimited)
						}
					}
					if fmt.Sprint(sent) != fmt.Sprint(c.want) {
						t.Errorf("sent at %v, want %v", sent, c.want)
					}
				})
			})
		}
	}
}

// A target of /probe may have the address and the name of a configured endpoint. They
// are probed independently.
func TestTargetHasItsOwnBackoff(t *testing.T) {
	listed := endpointFor("hcx", sessionapi.AuthBasic)
	g, err := NewManager().Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": listed.Credential}, Endpoints: []*config.Endpoint{listed}})
	if err != nil {
		t.Fatal(err)
	}
	target := *listed
	own := proberOf(t, g, listed).backoff
	if proberOf(t, g, &target).backoff == own {
		t.Error("the target shares the back-off of the endpoint")
	}
	if proberOf(t, g, listed).backoff != own {
		t.Error("the back-off does not outlive the prober")
	}
}

// After a change of settings, the next probe logs in, unless the appliance sent a
// Retry-After.
func TestBackoffAfterAChange(t *testing.T) {
	for name, c := range map[string]struct {
		response reply
		tried    bool
	}{
		"exhausted sessions": {reply{status: 503}, true},
		"Retry-After":        {reply{status: 503, header: map[string]string{"Retry-After": "600"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &handwritten{post: []http.Handler{c.response}}
				p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), h)
				probesFor(t, p, 4*time.Minute)
				sent := h.methods()
				if !p.Adopt(p.Release()) {
					t.Fatal("the session is not adopted")
				}
				mustProbe(t, p)
				if tried := h.methods() != sent; tried != c.tried {
					t.Errorf("the next probe sends a login: %t, want %t", tried, c.tried)
				}
			})
		})
	}
}

// A Retry-After is honored even if its response arrives after the probe's timeout.
func TestLateRetryAfter(t *testing.T) {
	for name, status := range map[string]int{"429": http.StatusTooManyRequests, "503": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := way{"hcx", sessionapi.AuthLogin}
				late := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					stall(r, 15*time.Second)
					reply{status: status, header: map[string]string{"Retry-After": "300"}}.ServeHTTP(rw, r)
				})
				start := time.Now()
				h := &handwritten{post: []http.Handler{late, w.login()}, get: []http.Handler{w.check()}, del: []http.Handler{w.logout()}}
				p := piped(t, w.endpoint(), h)
				results := probesFor(t, p, 5*time.Minute)
				for minute, r := range results[1:] {
					if until := start.Add(315 * time.Second); !r.RetryAfterUntil.Equal(until) || !r.ResumeAt.Equal(until) || r.Attempted {
						t.Errorf("minute %d: %s, attempted %t, held back until %s, want %s: %s", minute+1, r.State, r.Attempted, r.RetryAfterUntil, until, r.Diagnosis)
					}
				}
				time.Sleep(time.Minute)
				if r := mustProbe(t, p); r.State != sessionapi.Valid {
					t.Errorf("then %s: %s", r.State, r.Diagnosis)
				}
				closeProber(t, p)
			})
		})
	}
}

// During a back-off, a pending login with a trusted secret is not the reason that
// nothing is sent.
func TestPendingIsOnlyForUntrustedSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"hcx", sessionapi.AuthLogin}
		late := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			stall(r, 15*time.Second)
			w.login().ServeHTTP(rw, r)
		})
		p := piped(t, w.endpoint(), &handwritten{
			post: []http.Handler{w.login(), late}, del: []http.Handler{w.logout()},
			get: []http.Handler{w.check(), reply{status: http.StatusUnauthorized}},
		})
		mustProbe(t, p)
		if r := mustProbe(t, p); r.State != sessionapi.Timeout {
			t.Fatalf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		r := mustProbe(t, p)
		if reason, until := r.HeldBack(); reason != ReasonBackoff || !until.Equal(r.BackoffUntil) {
			t.Errorf("held back by %q until %s, want %q until %s", reason, until, ReasonBackoff, r.BackoffUntil)
		}
		time.Sleep(maxLateWait)
	})
}
