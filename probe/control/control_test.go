package control

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// An impossible token is presented once a period, whatever the result of the last one.
func TestOncePerPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(NewSlots())
		begin := func() bool { return c.Begin(t.Context(), time.Hour, time.Minute) != nil }
		if !begin() || begin() {
			t.Error("no control began, or a second one while the first was in flight")
		}
		c.End(sessionapi.Inconclusive)
		if begin() || c.Verdict() != (Verdict{}) {
			t.Error("a second control began within the period, or an inconclusive one has a verdict")
		}
		time.Sleep(time.Hour)
		if !begin() {
			t.Fatal("not repeated after a period")
		}
		c.End(sessionapi.Refused)
		refused := c.Verdict()
		time.Sleep(time.Hour)
		begin()
		c.End(sessionapi.Inconclusive)
		if now := c.Verdict(); now != refused || !now.Refused || now.Time.IsZero() {
			t.Errorf("after an inconclusive control the verdict is %v, want %v", now, refused)
		}
		time.Sleep(time.Hour)
		begin()
		c.End(sessionapi.Accepted)
		if now := c.Verdict(); now.Refused || now.Time.Sub(refused.Time) != 2*time.Hour {
			t.Errorf("after an accepted token the verdict is %v", now)
		}
	})
}

// Stop interrupts a control and waits for its end, but not forever.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(NewSlots())
		c.Stop(t.Context()) // without any
		ctx := c.Begin(t.Context(), time.Hour, time.Minute)
		waiting, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Stop(waiting)
		if ctx.Err() == nil || waiting.Err() == nil {
			t.Error("the control was not interrupted, or not awaited")
		}
		go func() {
			time.Sleep(time.Second)
			c.End(sessionapi.Inconclusive)
		}()
		begin := time.Now()
		c.Stop(t.Context())
		if time.Since(begin) != time.Second {
			t.Errorf("waited for %s, want 1s", time.Since(begin))
		}
	})
}

// Controls of many endpoints do not use up the file descriptors: those beyond the limit
// begin at a later probe.
func TestControlsInFlightAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots, begun := NewSlots(), 0
		all := make([]*Control, 2*maxInFlight)
		for i := range all {
			all[i] = New(slots)
			if all[i].Begin(t.Context(), time.Hour, time.Minute) != nil {
				begun++
			}
		}
		if begun != maxInFlight || all[maxInFlight].Begin(t.Context(), time.Hour, time.Minute) != nil {
			t.Errorf("%d controls began, want %d", begun, maxInFlight)
		}
		all[0].End(sessionapi.Refused)
		if all[0].Begin(t.Context(), time.Hour, time.Minute) != nil || all[maxInFlight].Begin(t.Context(), time.Hour, time.Minute) == nil {
			t.Error("the slot of a control that ended is not free, or the endpoint has two in a period")
		}
	})
}
