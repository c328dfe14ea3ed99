package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/simulator"
)

// A storm is a world in which everything goes wrong at random.
type storm struct {
	*world
	random   *rand.Rand
	accounts []*stormAccount
	spots    []*spot
	reloads  int
	before   map[series]float64 // the last scrape
}

// A spot is a site as the configuration has it.
type spot struct {
	*site
	account *stormAccount
	module  string
	labels  string
	timeout time.Duration
	watched bool // is in the configuration
	was     bool // and was, once: an endpoint does not come back
}

// newStorm returns one of n endpoints. Half of them share four accounts, the
// others have one each.
func newStorm(t *testing.T, n int, random *rand.Rand) *storm {
	t.Helper()
	s := &storm{world: newWorld(t, slog.New(slog.DiscardHandler)), random: random}
	for i := range 4 {
		s.newAccount(fmt.Sprintf("shared-%d", i))
	}
	for i := range n + n/10 { // a tenth comes later
		a := s.accounts[i%4]
		if i%2 == 1 {
			a = s.newAccount(fmt.Sprintf("own-%d", i))
		}
		p := &spot{account: a, module: []string{"hcx", "dr", "basic"}[i%3], timeout: 10 * time.Second, watched: i < n, was: i < n}
		api := "api: hcx"
		if p.module == "dr" {
			api = "api: dr"
		}
		p.site = s.add(fmt.Sprintf("%s-%d", p.module, i), newAppliance(api, account(a.password())))
		p.judged = a.note
		a.spots = append(a.spots, p)
		s.spots = append(s.spots, p)
	}
	return s
}

func (s *storm) newAccount(name string) *stormAccount {
	a := &stormAccount{name: name}
	s.accounts = append(s.accounts, a)
	s.write(a.name, a.password())
	return a
}

// text is the configuration as it is wanted now.
func (s *storm) text() string {
	var b strings.Builder
	b.WriteString("credentials:\n")
	for _, a := range s.accounts {
		fmt.Fprintf(&b, "  %s: {username: monitor, password_file: %s}\n", a.name, a.name)
	}
	b.WriteString("modules: {hcx: {api: hcx}, dr: {api: dr}, basic: {api: hcx, auth: basic}}\nendpoints:\n")
	for _, p := range s.spots {
		if p.watched {
			fmt.Fprintf(&b, "  - {name: %s, url: \"http://%s.test\", module: %s, credential: %s, timeout: %s, labels: {site: %q}}\n", p.name, p.name, p.module, p.account.name, p.timeout, p.labels)
		}
	}
	return b.String()
}

// A stormAccount is one account on all appliances that have it, and what became
// of its passwords there.
type stormAccount struct {
	name  string
	spots []*spot

	changes int       // of the password
	follows time.Time // when the file gets it, zero when it has

	mu     sync.Mutex // guards judged
	judged []judgement
}

func (a *stormAccount) password() string { return fmt.Sprintf("%s-%d", a.name, a.changes) }

// change changes the password on the appliances.
func (a *stormAccount) change(follows time.Time) {
	a.changes++
	a.follows = follows
	for _, p := range a.spots {
		p.Change(setPassword(a.password()))
	}
}

func (a *stormAccount) note(j judgement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.judged = append(a.judged, j)
}

// heard is how many refusals the exporter was told of.
func (a *stormAccount) heard() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, j := range a.judged {
		if j.heard && !j.accepted {
			n++
		}
	}
	return n
}

// overdrawn says where a password was refused more often than the guard's
// defaults allow: twice, then after 20 minutes, and twice as long each time up
// to 4 hours. What had been sent before the first refusal was known is not
// held against it, for the password was trusted until then; nor is what the
// exporter was not told of.
func (a *stormAccount) overdrawn() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var wrong []string
	series := make(map[string][]judgement) // of refusals, by password
	for _, j := range a.judged {
		if !j.heard {
			continue
		}
		if j.accepted {
			delete(series, j.password)
			continue
		}
		before := series[j.password]
		if len(before) > 0 && !j.begin.After(before[0].end) {
			continue
		}
		if n := len(before); n >= 2 {
			wait := min(20*time.Minute<<(n-2), 4*time.Hour)
			if gap := j.end.Sub(before[n-1].end); gap < wait {
				wrong = append(wrong, fmt.Sprintf("%s was refused for the %dth time only %v behind the last time, want %v", j.password, n+1, gap, wait))
			}
		}
		series[j.password] = append(before, j)
	}
	return wrong
}

// fault makes up a misbehaviour for a few requests.
func (s *storm) fault() simulator.Fault {
	f := []simulator.Fault{
		{Hang: true},
		{Reset: true},
		{Delay: 2700 * time.Millisecond}, // no sum of which is a timeout
		{Delay: 11 * time.Second},
		{Status: 500},
		{Status: 503, Header: map[string]string{"Retry-After": "90"}},
		{Status: 429, Header: map[string]string{"Retry-After": "120"}},
		{Status: 429},
		{Status: 200, Body: "<!doctype html><title>Sign in</title>", Header: map[string]string{"Content-Type": "text/html"}},
		{Code: "INTERNAL_SERVER_ERROR"},
		{RandomCode: true},
		{DeadToken: true},
		{DropToken: true},
	}[s.random.IntN(13)]
	f.After = s.random.IntN(2) == 0
	f.Times = 1 + s.random.IntN(3)
	f.On = []simulator.Operation{simulator.Login, simulator.Check, simulator.Logout, ""}[s.random.IntN(4)]
	return f
}

// watchedSpots are those in the configuration.
func (s *storm) watchedSpots() []*spot {
	return slices.DeleteFunc(slices.Clone(s.spots), func(p *spot) bool { return !p.watched })
}
