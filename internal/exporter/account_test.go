package exporter

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/bits"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// accountWays are the ways to authenticate, each as a credential and a module.
var accountWays = map[string]string{
	"login": "credentials: {shared: {username: monitor, password_file: password}}\nmodules: {m: {api: hcx, credential: shared}}\n",
	"basic": "credentials: {shared: {username: monitor, password_file: password}}\nmodules: {m: {api: hcx, credential: shared, auth: basic}}\n",
	"oauth": "credentials: {shared: {oauth2: {client_id: monitor, client_secret_file: password, token_url: \"http://sso.test/token\"}}}\nmodules: {m: {api: hcx, credential: shared}}\n",
}

// fleet describes the endpoints of one account.
type fleet struct {
	way       string // of accountWays
	endpoints int
	interval  time.Duration
}

// newAccount returns a running world whose endpoints share one account.
func newAccount(t *testing.T, d *directory, f fleet, password string) (w *world, text string) {
	t.Helper()
	w = newWorld(t, slog.New(slog.DiscardHandler))
	w.override = d
	var b strings.Builder
	fmt.Fprintf(&b, "global: {interval: %s}\n%sendpoints:\n", f.interval, accountWays[f.way])
	for i := range f.endpoints {
		fmt.Fprintf(&b, "  - {name: site-%d, url: \"http://site-%d.test\", module: m}\n", i, i)
	}
	w.write("password", password)
	w.load(b.String())
	w.start()
	return w, b.String()
}

// eachAccount runs a test for each combination of authentication, interval, refusal
// delay and number of endpoints.
func eachAccount(t *testing.T, test func(t *testing.T, d *directory, f fleet)) {
	t.Helper()
	for way := range accountWays {
		for _, interval := range []time.Duration{10 * time.Second, time.Minute} {
			for _, delay := range []time.Duration{50 * time.Millisecond, 3 * time.Second, 8 * time.Second, 25 * time.Second} {
				for _, n := range []int{1, size(100, 10)} {
					t.Run(fmt.Sprintf("%s/every %s/refused after %s/%d endpoints", way, interval, delay, n), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							test(t, &directory{delay: delay, password: "right"}, fleet{way, n, interval})
						})
					})
				}
			}
		}
	}
}

// The password is changed and all sessions are dropped together: the refusals stay
// within the budget, at the change, after each rotation to another wrong password,
// and at a start with a wrong one.
func TestChangedPasswordCostsLittle(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, d *directory, f fleet) {
		t.Helper()
		w, _ := newAccount(t, d, f, "right")
		time.Sleep(5*time.Minute + 7*time.Second)
		if got := states(w.scrape()); got["valid"] != f.endpoints {
			t.Fatalf("before the change, the states are %v", got)
		}
		for i, password := range []string{"right", "wrong 1", "wrong 2"} {
			begin := time.Now()
			if i == 0 {
				d.change("another")
			} else {
				w.write("password", password)
				w.applyChanges()
			}
			time.Sleep(6 * time.Minute)
			if refused := d.refusals(begin, password); refused > d.allowed() {
				t.Errorf("%q: %d refusals, want at most %d", password, refused, d.allowed())
			}
		}
		w.write("password", "another")
		w.applyChanges()
		time.Sleep(10*time.Minute + f.interval) // three wrong passwords have used up the account's budget for 20 minutes
		if got := states(w.scrape()); got["valid"] != f.endpoints {
			t.Errorf("with the right password, the states are %v", got)
		}
	})
}

func TestStartWithAWrongPassword(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, d *directory, f fleet) {
		t.Helper()
		newAccount(t, d, f, "wrong")
		time.Sleep(19 * time.Minute)
		if refused := d.refusals(time.Time{}, ""); refused > d.allowed() {
			t.Errorf("%d refusals, want at most %d", refused, d.allowed())
		}
	})
}

// A secret file that flips between two wrong passwords costs each of them its own
// budget.
func TestFlippingSecret(t *testing.T) {
	t.Parallel()
	for way := range accountWays {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &directory{delay: 50 * time.Millisecond, password: "right"}
				w, _ := newAccount(t, d, fleet{way, 20, 10 * time.Second}, "A")
				for i := range 60 {
					w.write("password", string(rune('A'+i%2)))
					w.applyChanges()
					time.Sleep(2 * time.Second)
				}
				for i := range 60 {
					w.write("password", fmt.Sprint("ever new ", i))
					w.applyChanges()
					time.Sleep(2 * time.Second)
				}
				a, b, all := d.refusals(time.Time{}, "A"), d.refusals(time.Time{}, "B"), d.refusals(time.Time{}, "")
				if a > 2 || b > 2 || all > 6 {
					t.Errorf("%d refusals of A, %d of B, %d in all; want 2, 2 and 6", a, b, all)
				}
			})
		})
	}
}

// A reload replaces one wrong password by another while probes wait with the first one:
// each costs its own budget.
func TestReloadToAnotherWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{delay: 250 * time.Millisecond, password: "right"}
		w, text := newAccount(t, d, fleet{"login", 100, 10 * time.Second}, "unused")
		w.load(strings.Replace(text, "password_file: password", "password: A", 1))
		time.Sleep(100 * time.Millisecond)
		w.load(strings.Replace(text, "password_file: password", "password: B", 1))
		time.Sleep(5 * time.Minute)
		for _, password := range []string{"A", "B"} {
			if refused := d.refusals(time.Time{}, password); refused > 2 {
				t.Errorf("%d refusals of %s", refused, password)
			}
		}
	})
}

// The limit on logins in flight does not starve a fleet when it starts.
func TestFleetOfOneAccountStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := size(10_000, 1000)
		d := &directory{password: "right", acceptDelay: 400 * time.Millisecond}
		w, _ := newAccount(t, d, fleet{"login", n, time.Minute}, "right")
		time.Sleep(2 * time.Minute)
		if got := states(w.scrape()); got["valid"] != n {
			t.Errorf("after 2 minutes, the states are %v", got)
		}
	})
}

// Appliances that hang once the request is written do not block the account for the
// others. How long the others wait depends on which appliances hang.
func TestHalfHangsFromTheStart(t *testing.T) {
	t.Parallel()
	n := size(1000, 300)
	for _, delay := range []time.Duration{50 * time.Millisecond, 400 * time.Millisecond} {
		for salt := range byte(size(2, 1)) {
			t.Run(fmt.Sprintf("%s/%d", delay, salt), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := &directory{password: "right", acceptDelay: delay, hangs: func(host string) bool {
						h := fnv.New32a()
						_, _ = h.Write(append([]byte(host), salt))
						return bits.OnesCount32(h.Sum32())%2 == 0
					}}
					healthy := 0
					for i := range n {
						healthy += count(!d.hangs(fmt.Sprintf("site-%d.test", i)))
					}
					w, _ := newAccount(t, d, fleet{"login", n, time.Minute}, "right")
					for minute := range 5 {
						time.Sleep(time.Minute)
						t.Logf("after %d minutes: %v", minute+1, states(w.scrape()))
					}
					if got := states(w.scrape()); got["valid"] != healthy {
						t.Errorf("after 5 minutes, the states are %v, want %d valid", got, healthy)
					}
				})
			})
		}
	}
}
