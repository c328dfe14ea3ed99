package main

import (
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/simulator"
)

var stormSeed = flag.Uint64("storm.seed", 0, "seed of the storm's random numbers; 0 takes another each time")

// TestVirtualStorm lets everything go wrong at random, for an hour of a whole
// fleet, and holds the exporter to its promises in every minute of it.
func TestVirtualStorm(t *testing.T) {
	seed := *stormSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-storm.seed=%d", seed)
	synctest.Test(t, func(t *testing.T) {
		s := newStorm(t, stormSites, rand.New(rand.NewPCG(seed, 0)))
		s.load(s.text())
		s.start()
		for minute := range 60 {
			for range 6 {
				time.Sleep(10 * time.Second)
				s.spoil()
			}
			if minute%7 == 3 {
				s.change()
			}
			s.check(t, minute%5 == 4)
			if t.Failed() {
				t.Fatalf("in minute %d", minute)
			}
		}
		s.calm()
		// The longest pause of all is 10 minutes, between logins that fail.
		time.Sleep(13 * time.Minute)
		s.check(t, true)
		now := s.scrape()
		for _, p := range s.watchedSpots() {
			if now[series{"session_up", p.name, ""}] != 1 {
				t.Errorf("%s is not up when all is calm again: %v", p.name, stateOf(now, p.name))
			}
		}
		s.stop()
		if s.left != nil {
			t.Errorf("the shutdown says that sessions are left: %v", s.left)
		}
		var sent, refused, lost, orphans int
		for _, p := range s.spots {
			stats := p.Stats()
			sent, refused, lost, orphans = sent+stats.Requests, refused+stats.Refusals, lost+p.lost, orphans+p.orphans
			if left := stats.Sessions; left != p.orphans || p.held != none {
				t.Errorf("%s has %d sessions left, want the %d that the exporter could not end", p.name, left, p.orphans)
			}
		}
		t.Logf("%d requests, %d refusals, %d unanswered logins, %d sessions that nobody could end", sent, refused, lost, orphans)
	})
}

func stateOf(values map[series]float64, endpoint string) string {
	for s, value := range values {
		if s.name == "session_state" && s.subject == endpoint && value == 1 {
			return s.detail
		}
	}
	return "none"
}

// spoil makes something go wrong.
func (s *storm) spoil() {
	for range 1 + len(s.spots)/100 {
		p := s.spots[s.random.IntN(len(s.spots))]
		if s.random.IntN(10) == 0 {
			p.restart()
			continue
		}
		f := s.fault()
		p.Change(func(settings *simulator.Settings) { settings.Faults = []simulator.Fault{f} })
	}
	now := time.Now()
	for _, a := range s.accounts {
		if !a.follows.IsZero() && now.After(a.follows) {
			a.follows = time.Time{}
			s.write(a.name, a.password())
			if s.random.IntN(2) == 0 {
				s.look()
			}
		}
	}
	if s.random.IntN(12) == 0 {
		shared := s.random.IntN(4)
		for _, i := range []int{shared, s.random.IntN(len(s.accounts)), s.random.IntN(len(s.accounts))} {
			if a := s.accounts[i]; a.follows.IsZero() {
				a.change(now.Add(time.Duration(s.random.IntN(25)) * time.Minute))
			}
		}
	}
}

// change reloads, now and then a broken file first.
func (s *storm) change() {
	s.t.Helper()
	s.reloads++
	if s.reloads%3 == 0 {
		s.write("session_exporter.yml", s.text()+"nonsense: true\n")
		if s.Reload() == nil {
			s.t.Error("a broken file was loaded")
		}
	}
	for range len(s.spots) / 50 {
		p := s.spots[s.random.IntN(len(s.spots))]
		switch s.random.IntN(3) {
		case 0:
			p.labels += "x"
		case 1:
			p.timeout = 19*time.Second - p.timeout
		case 2:
			p.watched, p.was = !p.watched && !p.was, true
			p.stop(!p.watched)
		}
	}
	s.load(s.text())
}

// calm ends all faults, and gives the exporter all passwords.
func (s *storm) calm() {
	for _, p := range s.spots {
		p.Change(func(settings *simulator.Settings) { settings.Faults = nil })
	}
	for _, a := range s.accounts {
		a.follows = time.Time{}
		s.write(a.name, a.password())
	}
}

// check holds the exporter to its promises. It compares all that is exposed
// with what was exposed before only if fully.
func (s *storm) check(t *testing.T, fully bool) {
	t.Helper()
	synctest.Wait()
	for _, a := range s.accounts {
		for _, wrong := range a.overdrawn() {
			t.Error(wrong)
		}
	}
	refused := make(map[string]int)
	for _, c := range s.probers.Credentials() {
		refused[c.Name] = c.Refusals
	}
	for _, a := range s.accounts {
		if heard := a.heard(); refused[a.name] != heard {
			t.Errorf("%d refusals of %s were counted, the appliances told of %d", refused[a.name], a.name, heard)
		}
	}
	for _, p := range s.spots {
		p.mu.Lock()
		overlaps := p.overlaps
		p.mu.Unlock()
		if overlaps > 0 {
			t.Errorf("%s got %d requests while another was under way", p.name, overlaps)
		}
	}
	if !fully {
		return
	}
	now := s.scrape()
	for _, wrong := range backwards(s.before, now) {
		t.Error(wrong)
	}
	s.before = now
	s.checkSessions(t, now)
}

// checkSessions accounts for every session on every appliance.
func (s *storm) checkSessions(t *testing.T, now map[series]float64) {
	t.Helper()
	all := 0
	for _, p := range s.spots {
		_, holds := now[series{"session_established_timestamp_seconds", p.name, ""}]
		all += count(holds)
		stats := p.Stats()
		p.mu.Lock()
		if want := p.orphans + count(p.held == live); p.busy == 0 && stats.Sessions != want {
			t.Errorf("%s has %d sessions, want %d that nobody can end, and %d held", p.name, stats.Sessions, p.orphans, count(p.held == live))
		}
		// While a probe is under way, the one before tells of what was.
		if settled := p.busy == 0 && p.last.Before(time.Now().Add(-20*time.Second)); settled && holds != (p.held != none) {
			t.Errorf("the exporter holds a session of %s: %t, and should: %t", p.name, holds, p.held != none)
		}
		// The probe after that tells.
		told := p.busy == 0 && p.lostLast.Before(time.Now().Add(-80*time.Second))
		if lost := now[series{"session_logins_unanswered_total", p.name, ""}]; p.watched && told && int(lost) != p.lost {
			t.Errorf("%v logins of %s were counted as unanswered, want %d", lost, p.name, p.lost)
		}
		p.mu.Unlock()
	}
	want(t, now, series{"session_exporter_sessions_held", "", ""}, float64(all))
}
