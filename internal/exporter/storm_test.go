package exporter

import (
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/simulator"
)

var stormSeed = flag.Uint64("storm.seed", 0, "seed of the storm's random numbers; 0 for a random seed")

// TestStorm injects random faults for an hour and checks the exporter's guarantees
// every minute.
func TestStorm(t *testing.T) {
	t.Parallel()
	seed := *stormSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-storm.seed=%d", seed)
	synctest.Test(t, func(t *testing.T) {
		s := newStorm(t, size(1000, 200), rand.New(rand.NewPCG(seed, 0)))
		s.load(s.text())
		s.start()
		for minute := range 60 {
			for range 6 {
				time.Sleep(10 * time.Second)
				s.injectFault()
			}
			if minute%7 == 3 {
				s.change()
			}
			s.check(t, minute%5 == 4)
			if t.Failed() {
				t.Fatalf("in minute %d", minute)
			}
		}
		s.clearFaults()
		// The longest back-off between logins that fail is 10 minutes.
		time.Sleep(13 * time.Minute)
		s.check(t, true)
		now := s.scrape()
		for _, p := range s.configuredTargets() {
			if now[series{"session_up", p.name, ""}] != 1 {
				t.Errorf("%s is not up after all faults: %v", p.name, stateOf(now, p.name))
			}
		}
		s.stop()
		if s.left != nil {
			t.Errorf("the shutdown reports remaining sessions: %v", s.left)
		}
		var sent, refused, lost, orphans int
		for _, p := range s.targets {
			stats := p.Stats()
			sent, refused, lost, orphans = sent+stats.Requests, refused+stats.Refusals, lost+p.lost, orphans+p.orphans
			if left := stats.Sessions; left != p.orphans || p.held != none {
				t.Errorf("%s has %d remaining sessions, want the %d that the exporter could not end", p.name, left, p.orphans)
			}
		}
		t.Logf("%d requests, %d refusals, %d unanswered logins, %d sessions that could not be ended", sent, refused, lost, orphans)
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

// injectFault injects faults into random targets, restarts some, and sometimes changes
// passwords.
func (s *storm) injectFault() {
	for range 1 + len(s.targets)/100 {
		p := s.targets[s.random.IntN(len(s.targets))]
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
				s.applyChanges()
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

// change changes and reloads the configuration. At every third call, it tries a broken file
// first.
func (s *storm) change() {
	s.t.Helper()
	s.reloads++
	if s.reloads%3 == 0 {
		s.write("session_exporter.yml", s.text()+"nonsense: true\n")
		if s.Reload() == nil {
			s.t.Error("a broken file was loaded")
		}
	}
	for range len(s.targets) / 50 {
		p := s.targets[s.random.IntN(len(s.targets))]
		switch s.random.IntN(3) {
		case 0:
			p.labels += "x"
		case 1:
			p.timeout = 19*time.Second - p.timeout
		case 2:
			p.watched, p.was = !p.watched && !p.was, true
			p.setRemoved(!p.watched)
		}
	}
	s.load(s.text())
}

// clearFaults ends all faults and gives the exporter the right passwords.
func (s *storm) clearFaults() {
	for _, p := range s.targets {
		p.Change(func(settings *simulator.Settings) { settings.Faults = nil })
	}
	for _, a := range s.accounts {
		a.follows = time.Time{}
		s.write(a.name, a.password())
	}
}

// check checks the exporter's guarantees. If fully is set, it also checks that no counter has
// decreased, and accounts for all sessions.
func (s *storm) check(t *testing.T, fully bool) {
	t.Helper()
	synctest.Wait()
	for _, a := range s.accounts {
		for _, problem := range a.excessRefusals() {
			t.Error(problem)
		}
	}
	refused := make(map[string]int)
	for _, c := range s.manager.Credentials() {
		refused[c.Name] = c.Refusals
	}
	for _, a := range s.accounts {
		if reported := a.reported(); refused[a.name] != reported {
			t.Errorf("%d refusals of %s were counted, the appliances reported %d", refused[a.name], a.name, reported)
		}
	}
	for _, p := range s.targets {
		p.mu.Lock()
		overlaps := p.overlaps
		p.mu.Unlock()
		if overlaps > 0 {
			t.Errorf("%s got %d requests while another was in flight", p.name, overlaps)
		}
	}
	if !fully {
		return
	}
	now := s.scrape()
	for _, problem := range backwards(s.before, now) {
		t.Error(problem)
	}
	s.before = now
	s.checkSessions(t, now)
}

// checkSessions accounts for every session on every appliance.
func (s *storm) checkSessions(t *testing.T, now map[series]float64) {
	t.Helper()
	all := 0
	for _, p := range s.targets {
		_, holds := now[series{"session_established_timestamp_seconds", p.name, ""}]
		all += count(holds)
		stats := p.Stats()
		p.mu.Lock()
		if want := p.orphans + count(p.held == live); p.busy == 0 && stats.Sessions != want {
			t.Errorf("%s has %d sessions, want %d that cannot be ended, and %d held", p.name, stats.Sessions, p.orphans, count(p.held == live))
		}
		// While a probe is in flight, the metrics are those of the previous one.
		if settled := p.busy == 0 && p.last.Before(time.Now().Add(-20*time.Second)); settled && holds != (p.held != none) {
			t.Errorf("the exporter holds a session of %s: %t, want %t", p.name, holds, p.held != none)
		}
		// The next probe counts a lost login.
		settled := p.busy == 0 && p.lostLast.Before(time.Now().Add(-80*time.Second))
		if lost := now[series{"session_logins_unanswered_total", p.name, ""}]; p.watched && settled && int(lost) != p.lost {
			t.Errorf("%v logins of %s were counted as unanswered, want %d", lost, p.name, p.lost)
		}
		p.mu.Unlock()
	}
	want(t, now, series{"session_exporter_sessions_held", "", ""}, float64(all))
}
