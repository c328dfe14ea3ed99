package exporter

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

// A storm is a world with random faults.
type storm struct {
	*world
	random   *rand.Rand
	accounts []*stormAccount
	targets  []*stormTarget
	reloads  int
	before   map[series]float64 // the last scrape
}

// A stormTarget is a site together with its entry in the configuration.
type stormTarget struct {
	*site
	account *stormAccount
	module  string
	labels  string
	timeout time.Duration
	watched bool // is in the configuration
	was     bool // was in the configuration; a removed endpoint is not added again
}

// newStorm returns a storm of n endpoints. Half of them share four accounts; each of
// the others has its own.
func newStorm(t *testing.T, n int, random *rand.Rand) *storm {
	t.Helper()
	s := &storm{world: newWorld(t, slog.New(slog.DiscardHandler)), random: random}
	for i := range 4 {
		s.newAccount(fmt.Sprintf("shared-%d", i))
	}
	for i := range n + n/10 { // a tenth is added later
		a := s.accounts[i/2%4]
		if i%2 == 1 {
			a = s.newAccount(fmt.Sprintf("own-%d", i))
		}
		p := &stormTarget{account: a, module: []string{"hcx", "dr", "basic"}[i%3], timeout: 10 * time.Second, watched: i < n, was: i < n}
		api := "api: hcx"
		if p.module == "dr" {
			api = "api: dr"
		}
		p.site = s.add(fmt.Sprintf("%s-%d", p.module, i), newAppliance(api, account(a.password())))
		p.onVerdict = a.note
		a.targets = append(a.targets, p)
		s.targets = append(s.targets, p)
	}
	return s
}

func (s *storm) newAccount(name string) *stormAccount {
	a := &stormAccount{name: name}
	s.accounts = append(s.accounts, a)
	s.write(a.name, a.password())
	return a
}

// text returns the current configuration.
func (s *storm) text() string {
	var b strings.Builder
	b.WriteString("credentials:\n")
	for _, a := range s.accounts {
		fmt.Fprintf(&b, "  %s: {username: monitor, password_file: %s}\n", a.name, a.name)
	}
	b.WriteString("modules: {hcx: {api: hcx}, dr: {api: dr}, basic: {api: hcx, auth: basic}}\nendpoints:\n")
	for _, p := range s.targets {
		if p.watched {
			fmt.Fprintf(&b, "  - {name: %s, url: \"http://%s.test\", module: %s, credential: %s, timeout: %s, labels: {site: %q}}\n", p.name, p.name, p.module, p.account.name, p.timeout, p.labels)
		}
	}
	return b.String()
}

// A stormAccount is one account on all appliances that have it, with the verdicts on
// its passwords.
type stormAccount struct {
	name    string
	targets []*stormTarget

	changes int       // of the password
	follows time.Time // when the password file will be updated; zero when it is up to date

	mu       sync.Mutex // guards verdicts
	verdicts []passwordVerdict
}

func (a *stormAccount) password() string { return fmt.Sprintf("%s-%d", a.name, a.changes) }

// change changes the password on the appliances. The password file follows at a given time.
func (a *stormAccount) change(follows time.Time) {
	a.changes++
	a.follows = follows
	for _, p := range a.targets {
		p.Change(setPassword(a.password()))
	}
}

func (a *stormAccount) note(v passwordVerdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.verdicts = append(a.verdicts, v)
}

// reported returns the number of refusals that reached the exporter.
func (a *stormAccount) reported() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, v := range a.verdicts {
		if v.reported && !v.accepted {
			n++
		}
	}
	return n
}

// excessRefusals describes where a password was refused more often than the guard's
// defaults allow: twice, then after 20 minutes, and twice as long each time up to 4
// hours. Logins sent before the first refusal was known do not count, because the
// password was trusted until then; nor do refusals that never reached the exporter.
func (a *stormAccount) excessRefusals() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var problems []string
	series := make(map[string][]passwordVerdict) // of refusals, by password
	for _, v := range a.verdicts {
		if !v.reported {
			continue
		}
		if v.accepted {
			delete(series, v.password)
			continue
		}
		before := series[v.password]
		if len(before) > 0 && !v.begin.After(before[0].end) {
			continue
		}
		if n := len(before); n >= 2 {
			wait := min(20*time.Minute<<(n-2), 4*time.Hour)
			if gap := v.end.Sub(before[n-1].end); gap < wait {
				problems = append(problems, fmt.Sprintf("%s was refused %d times, the last time only %v after the one before, want %v", v.password, n+1, gap, wait))
			}
		}
		series[v.password] = append(before, v)
	}
	return problems
}

// fault returns a random fault that affects a few requests.
func (s *storm) fault() simulator.Fault {
	f := []simulator.Fault{
		{Hang: true},
		{Reset: true},
		{Delay: 2700 * time.Millisecond}, // no multiple of which equals a timeout
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

// configuredTargets returns the targets in the configuration.
func (s *storm) configuredTargets() []*stormTarget {
	return slices.DeleteFunc(slices.Clone(s.targets), func(p *stormTarget) bool { return !p.watched })
}
