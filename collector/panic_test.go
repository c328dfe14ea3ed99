package collector

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// A panic while probing one endpoint becomes that endpoint's invalid_response. All others
// are probed at their times, and its session is logged out at the end.
func TestPanicWhileProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var logged bytes.Buffer
		c := New(noCredentials, slog.New(slog.NewTextHandler(&logged, nil)))
		bad, good := newEndpoint("bad"), newEndpoint("good")
		j := newJournal(takes(time.Second))
		probes, closed := 0, 0
		established, accepted := start.Add(-time.Hour), &probe.NegativeControl{Time: start}
		err := c.Apply(newSettings(bad, good), func(e *config.Endpoint) (Prober, error) {
			if e == good {
				return j.prober(e), nil
			}
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					probes++
					if probes > 1 {
						panic("response: {\"token\":\"s3cret\"}")
					}
					valid := found(sessionapi.Valid)
					valid.Established, valid.NegativeControl = established, accepted
					return valid, nil
				},
				close: func(context.Context) error { closed++; return nil },
			}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		statuses := make(chan Status, 1)
		time.AfterFunc(10*time.Minute, func() { statuses <- c.Statuses("bad")[0] })
		runFor(t, c, 10*time.Minute+wakeWindow/2)
		j.checkPunctual(t, start, []*config.Endpoint{good})
		if len(j.starts["good"]) != 10 || probes != 10 || closed != 1 {
			t.Errorf("%d probes of the other endpoint, %d of this one, closed %d times; want 10, 10, 1", len(j.starts["good"]), probes, closed)
		}
		status := <-statuses
		if r := status.Result; r.State != sessionapi.InvalidResponse || r.Diagnosis == "" || r.Advice == "" || !r.Established.Equal(established) || r.NegativeControl != accepted || status.Failures != 9 {
			t.Errorf("the result is %+v with %v failures", r, status.Failures)
		}
		if panics, inFlight := valueOf(t, c.metrics.panics), valueOf(t, c.metrics.inFlight); panics != 9 || inFlight != 0 {
			t.Errorf("%v panics, %v probes in flight; want 9, 0", panics, inFlight)
		}
		text := logged.String()
		if !strings.Contains(text, "panicked") || !strings.Contains(text, "TestPanicWhileProbing") || strings.Contains(text, "s3cret") || strings.Count(text, "impossible token accepted") != 1 {
			t.Errorf("logged %s", text)
		}
	})
}

// A requested probe that panics is an invalid_response, too.
func TestPanicOfARequestedProbe(t *testing.T) {
	c := watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober {
		return &fake{probe: func(context.Context) (probe.Result, error) {
			return slices.Repeat([]probe.Result{{}}, -1)[0], nil
		}}
	})
	response, err := c.Probe(t.Context(), "a", RequestOptions{})
	if err != nil || response.Result.State != sessionapi.InvalidResponse {
		t.Errorf("%+v, %v", response, err)
	}
	probed, err := c.ProbeNow(t.Context(), "a")
	if err != nil || probed.Result.State != sessionapi.InvalidResponse {
		t.Errorf("%+v, %v", probed, err)
	}
}

// A logout that panics does not affect the others.
func TestPanicWhileLoggingOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		c := watch(t, newSettings(newEndpoints(2)...), func(e *config.Endpoint) Prober {
			return &fake{close: func(context.Context) error {
				if e.Name == "endpoint-0" {
					panic("in a logout")
				}
				closed++
				return nil
			}}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Run(ctx)
		const want = `endpoint "endpoint-0": the logout panicked (string); its session may be left on the appliance`
		if fmt.Sprint(err) != want || closed != 1 {
			t.Errorf("error %v, want %s; %d others closed, want 1", err, want, closed)
		}
	})
}

// The log has the type and the stack of a panic in another goroutine of the probe.
func TestPanicInAGoroutineOfTheProbe(t *testing.T) {
	var logged bytes.Buffer
	c := New(noCredentials, slog.New(slog.NewTextHandler(&logged, nil)))
	err := c.Apply(newSettings(newEndpoint("a")), func(*config.Endpoint) (Prober, error) {
		return &fake{probe: func(context.Context) (probe.Result, error) {
			panic(&transport.Panic{Value: "s3cret", Stack: []byte("where it happened")})
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ProbeNow(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if text := logged.String(); !strings.Contains(text, "type=string") || !strings.Contains(text, "where it happened") || strings.Contains(text, "s3cret") {
		t.Errorf("logged %s", text)
	}
}
