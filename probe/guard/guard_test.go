package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

var settings = config.LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour}

func newGuard() *Guard { return NewRegistry().NewGuard("monitor", settings, nil) }

// try acquires a permit to send a secret to an endpoint, and records a verdict. It returns
// false if the guard holds the secret back.
func try(t *testing.T, g *Guard, text string, endpoint int, v sessionapi.Verdict) bool {
	t.Helper()
	permit, err := g.Acquire(t.Context(), secret.New(text), fmt.Sprint(endpoint))
	if _, held := errors.AsType[*Suspension](err); held {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	permit.Record(v)
	return true
}

// A step waits, and tries a secret at an endpoint. granted is the expected result of try.
type step struct {
	wait     time.Duration
	secret   string
	endpoint int
	verdict  sessionapi.Verdict
	granted  bool
}

func TestGuard(t *testing.T) {
	const m, h = time.Minute, time.Hour
	for name, steps := range map[string][]step{
		"accepted every time":                 {{0, "a", 0, sessionapi.Accepted, true}, {0, "a", 0, sessionapi.Accepted, true}, {0, "a", 1, sessionapi.Accepted, true}},
		"max_refusals at different endpoints": {{0, "a", 0, sessionapi.Refused, true}, {0, "a", 1, sessionapi.Refused, true}, {0, "a", 2, sessionapi.Refused, false}, {20*m - 1, "a", 3, sessionapi.Refused, false}, {1, "a", 3, sessionapi.Accepted, true}, {0, "a", 2, sessionapi.Accepted, true}},
		"an endpoint is held back alone":      {{0, "a", 0, sessionapi.Refused, true}, {0, "a", 0, sessionapi.Refused, false}, {0, "a", 1, sessionapi.Accepted, true}, {19 * m, "a", 0, sessionapi.Refused, false}, {m, "a", 0, sessionapi.Accepted, true}},
		"the suspension doubles up to the maximum": {
			{0, "a", 0, sessionapi.Refused, true},
			{0, "a", 1, sessionapi.Refused, true},
			{20 * m, "a", 2, sessionapi.Refused, true},
			{39 * m, "a", 3, sessionapi.Refused, false},
			{m, "a", 3, sessionapi.Refused, true},
			{79 * m, "a", 4, sessionapi.Refused, false},
			{m, "a", 4, sessionapi.Refused, true},
			{160 * m, "a", 5, sessionapi.Refused, true},
			{4*h - m, "a", 6, sessionapi.Refused, false},
			{m, "a", 6, sessionapi.Refused, true},
			{4 * h, "a", 7, sessionapi.Refused, true},
		},
		"the suspension of an endpoint doubles, after a second try": {
			{0, "a", 1, sessionapi.Accepted, true},
			{0, "a", 0, sessionapi.Refused, true},
			{0, "a", 1, sessionapi.Accepted, true},
			{49 * time.Second, "a", 0, sessionapi.Refused, false},
			{time.Second, "a", 0, sessionapi.Refused, true},
			{0, "a", 1, sessionapi.Accepted, true},
			{20*m - 1, "a", 0, sessionapi.Refused, false},
			{1, "a", 0, sessionapi.Refused, true},
			{0, "a", 1, sessionapi.Accepted, true},
			{40*m - 1, "a", 0, sessionapi.Refused, false},
			{1, "a", 0, sessionapi.Refused, true},
		},
		"one refusal of the right password":   {{0, "a", 0, sessionapi.Accepted, true}, {59 * m, "a", 0, sessionapi.Refused, true}, {49 * time.Second, "a", 0, sessionapi.Refused, false}, {time.Second, "a", 0, sessionapi.Accepted, true}, {0, "a", 0, sessionapi.Accepted, true}},
		"refused long after it was accepted":  {{0, "a", 0, sessionapi.Accepted, true}, {h, "a", 0, sessionapi.Refused, true}, {m, "a", 0, sessionapi.Refused, false}, {19 * m, "a", 0, sessionapi.Accepted, true}},
		"the second try is within the budget": {{0, "a", 0, sessionapi.Accepted, true}, {0, "a", 0, sessionapi.Refused, true}, {0, "a", 1, sessionapi.Refused, true}, {m, "a", 0, sessionapi.Accepted, false}, {19 * m, "a", 0, sessionapi.Accepted, true}},
		"a changed secret lifts the suspension": {
			{0, "a", 0, sessionapi.Refused, true},
			{0, "a", 1, sessionapi.Refused, true},
			{0, "a", 0, sessionapi.Refused, false},
			{0, "b", 0, sessionapi.Refused, true},
			{0, "b", 0, sessionapi.Refused, false},
			{0, "b", 1, sessionapi.Refused, true},
			{0, "b", 2, sessionapi.Refused, false},
			{0, "c", 0, sessionapi.Accepted, true},
		},
		"a secret that comes back keeps its refusals": {
			{0, "a", 0, sessionapi.Refused, true},
			{0, "b", 0, sessionapi.Refused, true},
			{0, "a", 0, sessionapi.Refused, false},
			{0, "a", 1, sessionapi.Refused, true},
			{0, "b", 1, sessionapi.Refused, true},
			{0, "a", 2, sessionapi.Refused, false},
			{0, "b", 2, sessionapi.Refused, false},
		},
		"all secrets of an account cost at most three times max_refusals": {
			{0, "a", 0, sessionapi.Refused, true},
			{m, "b", 0, sessionapi.Refused, true},
			{m, "c", 0, sessionapi.Refused, true},
			{m, "d", 0, sessionapi.Refused, true},
			{m, "e", 0, sessionapi.Refused, true},
			{m, "f", 0, sessionapi.Refused, true},
			{0, "g", 0, sessionapi.Accepted, false},
			{15*m - 1, "g", 0, sessionapi.Accepted, false},
			{1, "g", 0, sessionapi.Refused, true},
			{0, "h", 0, sessionapi.Accepted, false},
			{m, "h", 0, sessionapi.Accepted, true},
		},
		"other secrets' refusals do not hold back a trusted one": {
			{0, "z", 0, sessionapi.Accepted, true},
			{0, "a", 0, sessionapi.Refused, true},
			{0, "b", 0, sessionapi.Refused, true},
			{0, "c", 0, sessionapi.Refused, true},
			{0, "d", 0, sessionapi.Refused, true},
			{0, "e", 0, sessionapi.Refused, true},
			{0, "f", 0, sessionapi.Refused, true},
			{0, "g", 0, sessionapi.Refused, false},
			{0, "z", 0, sessionapi.Accepted, true},
			{0, "z", 1, sessionapi.Accepted, true},
		},
		"an inconclusive verdict does not count": {{0, "a", 0, sessionapi.Inconclusive, true}, {0, "a", 0, sessionapi.Inconclusive, true}, {0, "a", 0, sessionapi.Refused, true}, {0, "a", 1, sessionapi.Inconclusive, true}, {0, "a", 2, sessionapi.Refused, true}, {0, "a", 3, sessionapi.Refused, false}},
		"an acceptance in between":               {{0, "a", 0, sessionapi.Refused, true}, {0, "a", 1, sessionapi.Accepted, true}, {0, "a", 2, sessionapi.Refused, true}, {0, "a", 3, sessionapi.Accepted, true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard()
				for i, s := range steps {
					time.Sleep(s.wait)
					if got := try(t, g, s.secret, s.endpoint, s.verdict); got != s.granted {
						t.Fatalf("step %d: granted is %t, want %t", i, got, s.granted)
					}
				}
			})
		})
	}
}

// The budget belongs to the account, whatever the names of its credentials in the
// configuration.
func TestAccountIdentity(t *testing.T) {
	joined := settings
	joined.Account = "site-a"
	for name, c := range map[string]struct {
		guards func(r *Registry) []*Guard // used one after the other
		tries  []bool                     // the expected results of try with the secret "a", which is refused
	}{
		"credentials with one username": {func(r *Registry) []*Guard {
			return []*Guard{r.NewGuard("monitor", settings, nil), r.NewGuard("monitor", settings, nil), r.NewGuard("monitor", settings, nil)}
		}, []bool{true, true, false}},
		"different usernames": {func(r *Registry) []*Guard {
			return []*Guard{r.NewGuard("x", settings, nil), r.NewGuard("y", settings, nil), r.NewGuard("x", settings, nil), r.NewGuard("x", settings, nil)}
		}, []bool{true, true, true, false}},
		"lockout_guard.account": {func(r *Registry) []*Guard {
			return []*Guard{r.NewGuard("CORP\\svc", joined, nil), r.NewGuard("svc@corp.example", joined, nil), r.NewGuard("svc", joined, nil)}
		}, []bool{true, true, false}},
		"lockout_guard.account, set later": {func(r *Registry) []*Guard {
			return []*Guard{r.NewGuard("svc", settings, nil), r.NewGuard("svc", settings, nil), r.NewGuard("svc", joined, nil), r.NewGuard("svc", settings, nil)}
		}, []bool{true, true, false, false}},
		"lockout_guard.account, removed": {func(r *Registry) []*Guard {
			return []*Guard{r.NewGuard("svc", joined, nil), r.NewGuard("svc", joined, nil), r.NewGuard("svc", settings, nil)}
		}, []bool{true, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for i, g := range c.guards(NewRegistry()) {
					if got := try(t, g, "a", i, sessionapi.Refused); got != c.tries[i] {
						t.Errorf("try %d: granted is %t, want %t", i, got, c.tries[i])
					}
				}
			})
		})
	}
}

// A credential whose password changes at every reload is still one account.
func TestReloadsShareTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		var g *Guard
		sent := 0
		for i := range 10 {
			g = r.NewGuard("monitor", settings, g)
			for endpoint := range 3 {
				if try(t, g, fmt.Sprint("wrong", i), endpoint, sessionapi.Refused) {
					sent++
				}
			}
		}
		if sent != accountBudget*settings.MaxRefusals {
			t.Errorf("%d passwords were refused, want %d", sent, accountBudget*settings.MaxRefusals)
		}
	})
}

// Two credentials with the same username are one account once they have had the same secret.
func TestAccountsMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		a, b := r.NewGuard("monitor", settings, nil), r.NewGuard("monitor", settings, nil)
		for i, secret := range []string{"a1", "a2", "a3"} {
			try(t, a, secret, i, sessionapi.Refused)
		}
		for i, secret := range []string{"b1", "b2"} {
			try(t, b, secret, i, sessionapi.Refused)
		}
		if !try(t, b, "a1", 9, sessionapi.Refused) { // the account's sixth
			t.Fatal("held back too early")
		}
		for _, g := range []*Guard{a, b} {
			if try(t, g, "new", 10, sessionapi.Refused) {
				t.Error("a login was granted although the joint budget is spent")
			}
		}
	})
}

// acquireAll starts n logins, and returns a channel of the permits that they get.
func acquireAll(t *testing.T, g *Guard, text string, n int) chan *Permit {
	t.Helper()
	permits := make(chan *Permit, n)
	for i := range n {
		go func() {
			if permit, err := g.Acquire(t.Context(), secret.New(text), fmt.Sprint(i)); err == nil {
				permits <- permit
			}
		}()
	}
	return permits
}

// Until a verdict comes, max_refusals logins with a trusted secret may be in flight, but only
// one with a new secret. If they are slow, another is sent every five seconds, until one is
// refused.
func TestInFlight(t *testing.T) {
	for name, c := range map[string]struct {
		trusted bool
		delay   time.Duration // of each refusal
		most    int           // logins
	}{
		"trusted, 50ms":    {true, 50 * time.Millisecond, 2},
		"trusted, 3s":      {true, 3 * time.Second, 2},
		"trusted, 8s":      {true, 8 * time.Second, 3},
		"trusted, 25s":     {true, 25 * time.Second, 7},
		"new secret, 50ms": {false, 50 * time.Millisecond, 2},
		"new secret, 3s":   {false, 3 * time.Second, 2},
		"new secret, 8s":   {false, 8 * time.Second, 3},
		"new secret, 25s":  {false, 25 * time.Second, 7},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard()
				if c.trusted {
					try(t, g, "a", 0, sessionapi.Accepted)
				}
				ctx, cancel := context.WithCancel(t.Context())
				permits, sent := acquireAll(t, g, "a", 100), 0
				go func() {
					for {
						select {
						case permit := <-permits:
							sent++
							time.AfterFunc(c.delay, func() { permit.Record(sessionapi.Refused) })
						case <-ctx.Done():
							return
						}
					}
				}()
				time.Sleep(10 * time.Minute)
				cancel()
				synctest.Wait()
				if sent > c.most || sent < 2 {
					t.Errorf("%d logins were sent, want 2 to %d", sent, c.most)
				}
			})
		})
	}
}

// The acceptance of a login says nothing about a login that was sent after it: the password
// may have changed between them.
func TestAcceptanceInFlight(t *testing.T) {
	for name, acceptedFirst := range map[string]bool{"accepted before the refusal": true, "accepted after the refusal": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard()
				try(t, g, "a", 0, sessionapi.Accepted)
				permits := acquireAll(t, g, "a", 100)
				synctest.Wait()
				accepted, refused := <-permits, <-permits
				if acceptedFirst {
					accepted.Record(sessionapi.Accepted)
					synctest.Wait()
					refused.Record(sessionapi.Refused)
				} else {
					refused.Record(sessionapi.Refused)
					synctest.Wait()
					accepted.Record(sessionapi.Accepted)
				}
				synctest.Wait()
				refusals := 1
				for ; len(permits) > 0; refusals++ {
					(<-permits).Record(sessionapi.Refused)
					synctest.Wait()
				}
				if refusals != 2 {
					t.Errorf("%d refusals, want 2", refusals)
				}
			})
		})
	}
}

// A fleet with one account starts quickly: each acceptance makes room for more than one
// login.
func TestFleetStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		g, begin := newGuard(), time.Now()
		permits := acquireAll(t, g, "a", n)
		accepted := make(chan struct{}, n)
		go func() {
			for permit := range permits {
				time.AfterFunc(400*time.Millisecond, func() {
					permit.Record(sessionapi.Accepted)
					accepted <- struct{}{}
				})
			}
		}()
		for range n {
			<-accepted
		}
		close(permits)
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("%d logins took %s, want at most 15s", n, took)
		}
	})
}

// A login whose deadline passes in the queue, or that is canceled, keeps no place in the
// queue.
func TestDeadlineInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, secret := newGuard(), secret.New("a")
		first, err := g.Acquire(t.Context(), secret, "first")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Acquire(ctx, secret, "second"); !errors.Is(err, ErrInFlight) {
			t.Errorf("after the deadline, got %v, want %v", err, ErrInFlight)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		if _, err := g.Acquire(stopped, secret, "third"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		first.Release()
		if !g.Ready(secret, "fourth") {
			t.Error("abandoned logins occupy places in the queue")
		}
	})
}

// Endpoints whose last login had no verdict, or that are marked as unresponsive, come after
// the others.
func TestUnresponsiveEndpointsComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		try(t, g, "a", 0, sessionapi.Inconclusive)
		g.MarkUnresponsive(secret.New("a"), "1")
		first, err := g.Acquire(t.Context(), secret.New("a"), "9")
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		for _, endpoint := range []int{0, 1, 2} {
			go func() {
				permit, err := g.Acquire(t.Context(), secret.New("a"), fmt.Sprint(endpoint))
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, endpoint)
				permit.Record(sessionapi.Inconclusive) // grants the next one
			}()
			synctest.Wait()
		}
		first.Release()
		synctest.Wait()
		if !slices.Equal(order, []int{2, 0, 1}) {
			t.Errorf("logins were granted in the order %v, want [2 0 1]", order)
		}
	})
}

// Resume grants one login. Its acceptance ends the suspension of the endpoints that refused the
// secret before.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		resume := func(want bool) {
			t.Helper()
			if _, granted := g.Resume(); granted != want {
				t.Errorf("granted is %t, want %t", granted, want)
			}
		}
		resume(true) // nothing to resume
		for endpoint := range 3 {
			try(t, g, "a", endpoint, sessionapi.Refused)
		}
		for range 100 {
			resume(true) // still the same grant, because it was not used
		}
		if !try(t, g, "a", 0, sessionapi.Refused) || try(t, g, "a", 2, sessionapi.Refused) {
			t.Error("Resume did not grant exactly one login")
		}
		for range 2 {
			resume(true)
			try(t, g, "a", 5, sessionapi.Refused)
		}
		if next, granted := g.Resume(); granted || time.Until(next) != settings.RetryAfter {
			t.Errorf("the fourth call of Resume granted a login: %t; the next grant is at %s", granted, next)
		}
		time.Sleep(settings.RetryAfter)
		resume(true)
		if !try(t, g, "a", 7, sessionapi.Accepted) || !try(t, g, "a", 0, sessionapi.Accepted) || !try(t, g, "a", 1, sessionapi.Accepted) {
			t.Error("endpoints are held back although the granted login was accepted")
		}
	})
}

// An endpoint that refused a login granted by Resume is held back for longer than the
// others. The time that it reports does not move while it waits.
func TestSuspensionOfAnEndpointOutlastsTheAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		for endpoint := range 2 {
			try(t, g, "a", endpoint, sessionapi.Refused)
		}
		g.Resume()
		try(t, g, "a", 0, sessionapi.Refused)
		want := time.Now().Add(2 * settings.RetryAfter)
		for range 2 {
			if held := g.Held(secret.New("a"), "0"); held == nil || !held.Until.Equal(want) {
				t.Errorf("held back: %+v, want until %s", held, want)
			}
			time.Sleep(settings.RetryAfter)
		}
		if held := g.Held(secret.New("a"), "0"); held != nil {
			t.Errorf("held back after %s: %+v", 2*settings.RetryAfter, held)
		}
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		check := func(want bool, refusals int) {
			t.Helper()
			suspended, n := g.Status(func(endpoint string) bool { return endpoint != "9" })
			if suspended != want || n != refusals {
				t.Errorf("suspended is %t after %d refusals, want %t after %d", suspended, n, want, refusals)
			}
		}
		check(false, 0)
		try(t, g, "a", 0, sessionapi.Refused)
		check(true, 1) // at its only endpoint
		time.Sleep(settings.RetryAfter)
		check(false, 1)
		try(t, g, "a", 0, sessionapi.Accepted)
		try(t, g, "a", 9, sessionapi.Refused)
		check(false, 2) // which is no longer watched
		next := g.registry.NewGuard("monitor", settings, g)
		if _, n := next.Status(nil); n != 2 || !next.Since().Equal(g.Since()) {
			t.Errorf("%d refusals after a reload, since %s, want %s", n, next.Since(), g.Since())
		}
		added := g.registry.NewGuard("monitor", settings, nil)
		if _, n := added.Status(nil); n != 0 || !added.Since().Equal(time.Now()) {
			t.Errorf("%d refusals of a credential that was added, since %s", n, added.Since())
		}
	})
}

// The number of remembered secrets is limited, and suspended ones are evicted last.
func TestRememberedSecretsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		try(t, g, "held", 0, sessionapi.Refused)
		try(t, g, "held", 1, sessionapi.Refused)
		for i := range 100 {
			try(t, g, fmt.Sprint("good", i), 0, sessionapi.Accepted)
		}
		if n := len(g.registry.secrets); n > maxSecrets {
			t.Errorf("%d secrets of one account are remembered, want at most %d", n, maxSecrets)
		}
		if try(t, g, "held", 2, sessionapi.Refused) {
			t.Error("a suspension was forgotten")
		}
		for i := range 3 * minPruneAt {
			try(t, g.registry.NewGuard(fmt.Sprint("user", i), settings, nil), "a", 0, sessionapi.Accepted)
			time.Sleep(time.Hour)
		}
		if n := len(g.registry.secrets); n > 2*minPruneAt+1 {
			t.Errorf("%d secrets of all accounts are remembered, want at most %d", n, 2*minPruneAt+1)
		}
	})
}

// An acceptance voids a grant that was not used.
func TestUnusedGrantLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		try(t, g, "a", 0, sessionapi.Refused)
		if _, granted := g.Resume(); !granted {
			t.Fatal("not resumed")
		}
		time.Sleep(settings.RetryAfter)
		try(t, g, "a", 0, sessionapi.Accepted)
		for endpoint := 1; endpoint <= settings.MaxRefusals; endpoint++ {
			if !try(t, g, "a", endpoint, sessionapi.Refused) {
				t.Fatal("held back too early")
			}
		}
		if try(t, g, "a", 9, sessionapi.Refused) {
			t.Error("more than max_refusals logins were granted, without a call of Resume since the acceptance")
		}
	})
}

// A secret in use is remembered, however many other accounts come and go.
func TestSecretInUseIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, secret := newGuard(), secret.New("a")
		try(t, g, "a", 0, sessionapi.Refused)
		for i := range 3 * minPruneAt {
			try(t, g.registry.NewGuard(fmt.Sprint("user", i), settings, nil), "a", 0, sessionapi.Accepted)
			time.Sleep(time.Hour)
			_ = g.Held(secret, "0")
		}
		again := g.registry.NewGuard("monitor", settings, nil)
		try(t, again, "a", 1, sessionapi.Refused)
		if again.Held(secret, "2") == nil {
			t.Error("a refusal was forgotten")
		}
	})
}

// An account may have more credentials than the guard remembers secrets. A login does not wait
// for a login with a forgotten secret that already has its verdict.
func TestManyCredentialsOfAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, joined := NewRegistry(), settings
		joined.Account = "site"
		first := r.NewGuard("0", joined, nil)
		try(t, first, "0", 0, sessionapi.Accepted)
		var last *Guard
		for i := range 2 * maxSecrets {
			time.Sleep(time.Second)
			last = r.NewGuard(fmt.Sprint(i+1), joined, nil)
			try(t, last, fmt.Sprint(i+1), 0, sessionapi.Accepted)
		}
		try(t, last, "changed", 0, sessionapi.Accepted) // evicts the least recently used one
		try(t, first, "0", 1, sessionapi.Refused)
		sent, err := first.Acquire(t.Context(), secret.New("0"), "2")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { sent.Record(sessionapi.Refused) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := first.Acquire(ctx, secret.New("0"), "3"); errors.Is(err, ErrInFlight) {
			t.Error("a login waits for one that has its verdict")
		}
	})
}

// After a reload, Status and Resume know of the suspension, even before the new guard is
// used.
func TestReloadKeepsTheSuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		for endpoint := range settings.MaxRefusals {
			try(t, g, "a", endpoint, sessionapi.Refused)
		}
		longer := settings
		longer.MaxRetryAfter = 8 * time.Hour
		next := g.registry.NewGuard("monitor", longer, g)
		if suspended, _ := next.Status(nil); !suspended {
			t.Error("not suspended after a reload")
		}
		if _, granted := next.Resume(); !granted {
			t.Error("not resumed")
		}
		if !try(t, next, "a", 5, sessionapi.Accepted) {
			t.Error("the granted login is held back")
		}
		if suspended, _ := g.registry.NewGuard("someone", settings, next).Status(nil); suspended {
			t.Error("another account is suspended")
		}
	})
}
