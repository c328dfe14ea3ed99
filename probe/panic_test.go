package probe

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// brokenAPI is an API that panics when it interprets the response to a step.
type brokenAPI struct {
	sessionapi.API
	step   sessionapi.Step
	broken *atomic.Bool
}

func (a brokenAPI) Interpret(step sessionapi.Step, response sessionapi.Response) sessionapi.Interpretation {
	if step == a.step && a.broken.Load() {
		panic("broken")
	}
	return a.API.Interpret(step, response)
}

// breakAPI makes a prober's API panic at a step, until broken is cleared.
func breakAPI(p *Prober, step sessionapi.Step) (broken *atomic.Bool) {
	broken = new(atomic.Bool)
	broken.Store(true)
	p.api = brokenAPI{p.api, step, broken}
	return broken
}

// A panic while the response to a login is interpreted does not block the account for other
// logins.
func TestPanicReleasesThePermit(t *testing.T) {
	for name, c := range map[string]struct {
		auth sessionapi.Auth
		step sessionapi.Step
	}{"login": {sessionapi.AuthLogin, sessionapi.Login}, "basic": {sessionapi.AuthBasic, sessionapi.Check}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := piped(t, endpointFor("hcx", c.auth), newAppliance("hcx", alice()))
				broken := breakAPI(p, c.step)
				func() {
					defer func() {
						if cause := recover(); cause != "broken" {
							t.Errorf("recovered %v", cause)
						}
					}()
					_, _ = p.Probe(t.Context(), Options{})
				}()
				broken.Store(false)
				if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Duration != 0 {
					t.Errorf("then %s after %s: %s", r.State, r.Duration, r.Diagnosis)
				}
				closeProber(t, p)
			})
		})
	}
}

// A panic while a late response is interpreted ends neither the process nor the logins
// of the account. The login counts as unanswered.
func TestPanicAtALateResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := slowly(simulator.Login, 15*time.Second)()
		settings.Faults[0].Times = 1
		p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), newAppliance("hcx", settings))
		broken := breakAPI(p, sessionapi.Login)
		if r := mustProbe(t, p); r.State != sessionapi.Timeout || r.Unanswered != 0 {
			t.Errorf("%s, %d unanswered: %s", r.State, r.Unanswered, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		broken.Store(false)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Unanswered != 1 || r.Duration != 0 {
			t.Errorf("then %s, %d unanswered, after %s: %s", r.State, r.Unanswered, r.Duration, r.Diagnosis)
		}
		closeProber(t, p)
	})
}

// A panic in the goroutine that sends the secret is passed on to the probe's goroutine.
func TestPanicWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := piped(t, endpointFor("hcx", sessionapi.AuthBasic), newAppliance("hcx", alice()))
		transport := directly(p)
		dial := transport.DialContext
		transport.DialContext = nil // calling it panics
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = p.Probe(t.Context(), Options{})
		}()
		transport.DialContext = dial
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("then %s: %s", r.State, r.Diagnosis)
		}
	})
}
