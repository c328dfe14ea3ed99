package exporter

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the order of events, refusals stay within two budgets: that of a secret
// between two acceptances, and that of the account.
func TestAccountModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(size(24, 6)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed)
				for range 40 {
					time.Sleep(time.Duration(m.random.IntN(90)) * time.Second)
					m.event()
				}
				time.Sleep(time.Minute)
				m.check()
			})
		})
	}
}

// model is a world in which events occur in random order.
type model struct {
	*world
	directory *directory
	random    *rand.Rand
	text      string
	resumes   int
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...time.Duration) time.Duration { return of[random.IntN(len(of))] }
	way := []string{"login", "basic", "oauth"}[random.IntN(3)]
	d := &directory{delay: pick(50*time.Millisecond, 3*time.Second, 8*time.Second, 25*time.Second), password: "p0"}
	n := []int{1, 3, 20, 100}[random.IntN(4)]
	w, text := newAccount(t, d, fleet{way, n, pick(10*time.Second, time.Minute)}, "p0")
	t.Logf("%s, %d endpoints, refusals after %s", way, n, d.delay)
	return &model{world: w, directory: d, random: random, text: text}
}

func (m *model) event() {
	password := fmt.Sprint("p", m.random.IntN(5))
	switch m.random.IntN(7) {
	case 0: // the appliances' password changes
		m.directory.change(password)
	case 1: // all sessions are dropped
		m.directory.change(m.directory.password)
	case 2: // the password and the secret file change together
		m.directory.change(password)
		m.write("password", password)
		m.applyChanges()
	case 3, 4: // the secret file changes
		m.write("password", password)
		m.applyChanges()
	case 5: // the entry is renamed
		from, to := "shared", "renamed"
		if strings.Contains(m.text, to) {
			from, to = to, from
		}
		m.text = strings.ReplaceAll(m.text, from, to)
		m.load(m.text)
	case 6: // logins are resumed
		name := "shared"
		if strings.Contains(m.text, "renamed") {
			name = "renamed"
		}
		if m.Resume(name) == nil {
			m.resumes++
		}
	}
}

// check counts, within any 20 minutes without an acceptance of the account, the refusals of
// each secret and all refusals.
func (m *model) check() {
	m.t.Helper()
	d := m.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	extra := int(d.delay / (5 * time.Second))
	for i, first := range d.refused {
		of, all := 0, 0
		for _, r := range d.refused[i:] {
			if r.at.Sub(first.at) >= 20*time.Minute || d.acceptedWithinLocked(first.at, r.at) {
				break
			}
			all++
			if r.password == first.password {
				of++
			}
		}
		if most := 2 + extra + min(m.resumes, 3); of > most {
			m.t.Errorf("%d refusals of %s from %s on, want at most %d", of, first.password, first.at, most)
		}
		if most := 6 + extra + min(m.resumes, 3); all > most {
			m.t.Errorf("%d refusals from %s on, want at most %d", all, first.at, most)
		}
	}
}
