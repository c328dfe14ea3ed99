package probe

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

func standardGuard() *guard {
	return newGuard(config.LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour})
}

// try sends a secret to an endpoint and gives a verdict; it returns false when
// the guard withheld it.
func (g *guard) try(t *testing.T, secret string, own *patience, v Verdict) bool {
	t.Helper()
	leave, err := g.admit(t.Context(), always(secret), own, courtesy)
	if isSuspended(err) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer leave.end()
	leave.judge(v)
	return true
}

// always loads the same secret.
func always(secret string) func() (config.Secret, error) {
	return func() (config.Secret, error) { return config.NewSecret(secret), nil }
}

// courtesy is how long logins of a trusted secret wait for those before.
const courtesy = 2500 * time.Millisecond

func isSuspended(err error) bool {
	_, is := errors.AsType[*suspension](err)
	return is
}

func TestGuard(t *testing.T) {
	// A step lets time go by, tries a secret at an endpoint, and says whether
	// it is let through.
	type step struct {
		wait     time.Duration
		secret   string
		endpoint int
		verdict  Verdict
		admitted bool
	}
	const m, h = time.Minute, time.Hour
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"accepted again and again", []step{{0, "a", 0, Accepted, true}, {0, "a", 0, Accepted, true}, {0, "a", 1, Accepted, true}}},
		{"max_refusals by different endpoints", []step{{0, "a", 0, Refused, true}, {0, "a", 1, Refused, true}, {0, "a", 2, Refused, false}, {20*m - 1, "a", 3, Refused, false}, {1, "a", 3, Accepted, true}, {0, "a", 0, Accepted, true}}},
		{"own patience", []step{{0, "a", 0, Refused, true}, {0, "a", 0, Refused, false}, {0, "a", 1, Accepted, true}, {19 * m, "a", 0, Refused, false}, {m, "a", 0, Accepted, true}}},
		{"doubling to the maximum", []step{
			{0, "a", 0, Refused, true},
			{0, "a", 1, Refused, true},
			{20 * m, "a", 2, Refused, true},
			{39 * m, "a", 3, Refused, false},
			{m, "a", 3, Refused, true},
			{79 * m, "a", 4, Refused, false},
			{m, "a", 4, Refused, true},
			{160 * m, "a", 5, Refused, true},
			{4*h - m, "a", 6, Refused, false},
			{m, "a", 6, Refused, true},
			{4 * h, "a", 7, Refused, true},
		}},
		{"own patience doubles", []step{
			{0, "a", 0, Refused, true},
			{0, "a", 1, Accepted, true},
			{20 * m, "a", 0, Refused, true},
			{0, "a", 1, Accepted, true},
			{39 * m, "a", 0, Refused, false},
			{m, "a", 0, Refused, true},
		}},
		{"a changed secret lifts all", []step{{0, "a", 0, Refused, true}, {0, "a", 1, Refused, true}, {0, "a", 0, Refused, false}, {0, "b", 0, Refused, true}, {0, "b", 0, Refused, false}, {0, "b", 1, Refused, true}, {0, "b", 2, Refused, false}, {0, "c", 0, Accepted, true}}},
		{"inconclusive counts nothing", []step{{0, "a", 0, Inconclusive, true}, {0, "a", 0, Inconclusive, true}, {0, "a", 0, Inconclusive, true}, {0, "a", 0, Refused, true}, {0, "a", 1, Inconclusive, true}, {0, "a", 2, Refused, true}, {0, "a", 3, Refused, false}}},
		{"an acceptance in between", []step{{0, "a", 0, Refused, true}, {0, "a", 1, Accepted, true}, {0, "a", 2, Refused, true}, {0, "a", 3, Accepted, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, own := standardGuard(), make([]patience, 10)
				for i, s := range c.steps {
					<-time.After(s.wait)
					if got := g.try(t, s.secret, &own[s.endpoint], s.verdict); got != s.admitted {
						t.Fatalf("step %d: admitted is %t", i, got)
					}
				}
			})
		})
	}
}

// An untrusted secret is tried by one at a time; a trusted one side by side, once
// that is usual, and by two else.
func TestGuardOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := standardGuard()
		var trying, most, tried atomic.Int32
		attempt := func(v Verdict) {
			leave, err := g.admit(t.Context(), always("a"), new(patience), courtesy)
			if err != nil {
				return
			}
			most.Store(max(most.Load(), trying.Add(1)))
			tried.Add(1)
			<-time.After(time.Second)
			trying.Add(-1)
			leave.judge(v)
			leave.end()
		}
		for _, round := range []struct {
			verdict            Verdict
			mostAtOnce, tried  int32
			took               time.Duration
			suspendedAfterward bool
		}{
			{Inconclusive, 1, 10, 10 * time.Second, false},
			{Accepted, 7, 10, 3500 * time.Millisecond, false}, // one, two, and who waited for them
			{Accepted, 7, 10, 2 * time.Second, false},
			{Refused, 7, 7, time.Second, true}, // they were under way already
		} {
			most.Store(0)
			tried.Store(0)
			begin := time.Now()
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { attempt(round.verdict) })
			}
			all.Wait()
			if most.Load() != round.mostAtOnce || tried.Load() != round.tried || time.Since(begin) != round.took {
				t.Errorf("%d at once of %d in %s, want %+v", most.Load(), tried.Load(), time.Since(begin), round)
			}
			leave, err := g.admit(t.Context(), always("a"), new(patience), courtesy)
			if isSuspended(err) != round.suspendedAfterward {
				t.Errorf("suspended: %v", err)
			}
			if leave != nil {
				leave.end()
			}
		}
	})
}

// A trusted secret that is changed on the appliances is refused by as many as may
// be, though all endpoints have to log in again at once.
func TestGuardOfATrustedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := standardGuard()
		round := func(v Verdict) (refused int32) {
			var judged atomic.Int32
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					leave, err := g.admit(t.Context(), always("a"), new(patience), courtesy)
					if err != nil {
						return
					}
					<-time.After(time.Second)
					leave.judge(v)
					leave.end()
					judged.Add(1)
				})
			}
			all.Wait()
			return judged.Load()
		}
		if n := round(Accepted); n != 100 {
			t.Errorf("%d of 100 logins at start", n)
		}
		<-time.After(2 * burstSpan)
		if n := round(Refused); n != 2 {
			t.Errorf("%d logins were refused, want 2", n)
		}
	})
}

func TestGuardWaitingRespectsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := standardGuard()
		leave, err := g.admit(t.Context(), always("a"), new(patience), courtesy)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := g.admit(ctx, always("a"), new(patience), courtesy); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		leave.judge(Accepted)
		leave.end()
		if !g.try(t, "a", new(patience), Accepted) {
			t.Error("not admitted afterwards")
		}
	})
}

// A verdict on an old secret says nothing of the new one.
// Who was not judged last does not take the turn of another who waits, however long
// it has waited.
func TestGuardUnjudgedYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, hanging, other := standardGuard(), new(patience), new(patience)
		if !g.try(t, "a", hanging, Inconclusive) {
			t.Fatal("withheld")
		}
		under, err := g.admit(t.Context(), always("a"), new(patience), courtesy)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		var mu sync.Mutex
		wait := func(name string, own *patience) {
			leave, err := g.admit(t.Context(), always("a"), own, courtesy)
			if err != nil {
				t.Error(err)
				return
			}
			defer leave.end()
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
		}
		var waiting sync.WaitGroup
		waiting.Go(func() { wait("hanging", hanging) })
		synctest.Wait()
		waiting.Go(func() { wait("other", other) })
		synctest.Wait()
		under.end()
		waiting.Wait()
		if len(order) != 2 || order[0] != "other" {
			t.Errorf("admitted %q, want the other first", order)
		}
	})
}

func TestGuardLateVerdict(t *testing.T) {
	g := standardGuard()
	g.try(t, "old", new(patience), Accepted)
	own := new(patience)
	late, err := g.admit(t.Context(), always("old"), own, courtesy)
	if err != nil {
		t.Fatal(err)
	}
	g.try(t, "new", new(patience), Accepted)
	late.judge(Refused)
	late.end()
	if !g.trusted || g.refusals != 0 {
		t.Errorf("trusted: %t, refusals: %d", g.trusted, g.refusals)
	}
}

// Who waited with an old secret goes on with the new one.
func TestGuardWaitersTakeTheNewSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := standardGuard()
		now := "old"
		load := func() (config.Secret, error) { return config.NewSecret(now), nil }
		first, err := g.admit(t.Context(), load, new(patience), courtesy)
		if err != nil {
			t.Fatal(err)
		}
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				leave, err := g.admit(t.Context(), load, new(patience), courtesy)
				if err != nil || leave.secret.Reveal() != "new" {
					t.Errorf("tried %v, error %v", leave, err)
					return
				}
				leave.judge(Accepted)
				leave.end()
			})
		}
		synctest.Wait()
		now = "new"
		first.judge(Refused)
		first.end()
		waiting.Wait()
		if _, refusals := g.status(); refusals != 1 || !g.trusted {
			t.Errorf("%d refusals, trusted: %t", refusals, g.trusted)
		}
	})
}

func TestGuardResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, own := standardGuard(), new(patience)
		g.try(t, "a", own, Refused)
		g.try(t, "a", new(patience), Refused)
		if suspended, refusals := g.status(); !suspended || refusals != 2 {
			t.Fatalf("suspended: %t, refusals: %d", suspended, refusals)
		}
		g.resume()
		if suspended, _ := g.status(); suspended {
			t.Error("still suspended")
		}
		if !g.try(t, "a", own, Refused) || !g.try(t, "a", new(patience), Refused) || g.try(t, "a", new(patience), Refused) {
			t.Error("not the same budget as at first")
		}
		if _, refusals := g.status(); refusals != 4 {
			t.Errorf("%d refusals in all", refusals)
		}
	})
}
