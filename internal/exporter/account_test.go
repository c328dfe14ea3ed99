package exporter

import (
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/bits"
	"net/http"
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
	return newAccountOf(t, d, accountWays[f.way], f, password)
}

// newAccountOf is newAccount with another credential and module.
func newAccountOf(t *testing.T, d *directory, account string, f fleet, password string) (w *world, text string) {
	t.Helper()
	w = newWorld(t, slog.New(slog.DiscardHandler))
	w.override = d
	var b strings.Builder
	fmt.Fprintf(&b, "global: {interval: %s}\n%sendpoints:\n", f.interval, account)
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

// The password is changed and all sessions are dropped together: the refusals stay within
// the budget, at the change and after each rotation to another wrong password.
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
		// Three wrong passwords have used up the account's budget, which is free again 20 minutes
		// after the first refusals.
		time.Sleep(10*time.Minute + f.interval)
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

// grants are the ways to exchange a secret for tokens, each as a credential and a module.
var grants = map[string]string{
	"client_credentials": accountWays["oauth"],
	"password":           "credentials: {shared: {username: monitor, password_file: password, oauth2: {grant_type: password, client_id: c, token_url: \"http://sso.test/token\"}}}\nmodules: {m: {api: hcx, credential: shared}}\n",
	"refresh_token":      "credentials: {shared: {token_file: password, oauth2: {grant_type: refresh_token, client_id: c, token_url: \"http://sso.test/token\"}}}\nmodules: {m: {api: hcx, credential: shared}}\n",
	"vcf_api_token":      "credentials: {shared: {token_file: password, oauth2: {grant_type: vcf_api_token, token_url: \"http://sso.test/token\"}}}\nmodules: {m: {api: hcx, credential: shared}}\n",
}

// Endpoints that share an account cost it no more refusals at a token server than at an
// appliance.
func TestWrongSecretAtTheTokenServer(t *testing.T) {
	t.Parallel()
	n := size(100, 20)
	for way, text := range grants {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &directory{delay: 50 * time.Millisecond, password: "right"}
				w, _ := newAccountOf(t, d, text, fleet{endpoints: n, interval: time.Minute}, "wrong")
				time.Sleep(20*time.Minute - time.Second)
				if refused := d.refusals(time.Time{}, ""); refused != 2 {
					t.Errorf("%d refusals in 20 minutes, want 2", refused)
				}
				if got := states(w.scrape()); got["login_suspended"] != n {
					t.Errorf("the states are %v", got)
				}
				time.Sleep(9 * time.Hour)
				if refused := d.refusals(time.Time{}, ""); refused != 7 {
					t.Errorf("%d refusals in 9 h 20 min, want 7 as for a login", refused)
				}
				w.write("password", "right")
				w.applyChanges()
				time.Sleep(time.Minute)
				if got := states(w.scrape()); got["valid"] != n {
					t.Errorf("with the right secret, the states are %v", got)
				}
			})
		})
	}
}

// A user's password has one budget, whether it is sent to appliances or exchanged for
// tokens.
func TestExchangedPasswordSharesTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{delay: 50 * time.Millisecond, password: "right"}
		text := strings.Replace(grants["password"], "credentials: {", "credentials: {direct: {username: monitor, password_file: password}, ", 1)
		w, text := newAccountOf(t, d, text, fleet{endpoints: 10, interval: time.Minute}, "right")
		time.Sleep(time.Minute)
		w.load(text + "  - {name: direct, url: \"http://direct.test\", module: m, credential: direct}\n")
		time.Sleep(time.Minute)
		if got := states(w.scrape()); got["valid"] != 11 {
			t.Fatalf("before the change, the states are %v", got)
		}
		d.change("another")
		time.Sleep(19 * time.Minute)
		if refused := d.refusals(time.Time{}, ""); refused != 2 {
			t.Errorf("%d refusals, want 2", refused)
		}
		for _, name := range []string{"shared", "direct"} {
			want(t, w.scrape(), series{"session_exporter_credential_suspended", name, ""}, 1)
		}
	})
}

// A token endpoint that is down, slow or overloaded, or that responds with a page, refuses
// nothing: when it is back, all endpoints are valid after their back-off, at most 10 minutes.
func TestOutageOfTheTokenServer(t *testing.T) {
	for way, text := range grants {
		for name, outage := range map[string]http.HandlerFunc{
			"down": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"slow": func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the server notices that the client disconnects
				<-r.Context().Done()
			},
			"503": func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "no backend", http.StatusServiceUnavailable)
			},
			"429":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusTooManyRequests) },
			"a page":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Maintenance") },
			"no path": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		} {
			t.Run(way+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := &directory{password: "right", tokenOutage: outage}
					w, _ := newAccountOf(t, d, text, fleet{endpoints: 4, interval: time.Minute}, "right")
					time.Sleep(time.Hour)
					got := w.scrape()
					want(t, got, series{"session_exporter_credential_refusals_total", "shared", ""}, 0)
					want(t, got, series{"session_exporter_credential_suspended", "shared", ""}, 0)
					during := states(got)
					if way == "refresh_token" {
						during["login_suspended"] = 0 // expected while another endpoint's request is in flight
					}
					if during["valid"]+during["credentials_rejected"]+during["login_suspended"] > 0 {
						t.Errorf("during the outage, the states are %v", during)
					}
					d.endOutage()
					time.Sleep(11 * time.Minute)
					if got := states(w.scrape()); got["valid"] != 4 {
						t.Errorf("after it, the states are %v", got)
					}
				})
			})
		}
	}
}

// A secret file that alternates between two wrong passwords costs each of them its own
// budget, and further wrong passwords cost no more than the account's.
func TestAlternatingSecret(t *testing.T) {
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
					w.write("password", fmt.Sprint("wrong ", i))
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

// A reload replaces one wrong password with another while probes wait to send the first one:
// each password costs no more than its own budget.
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
		d := &directory{password: "right", checkDelay: 400 * time.Millisecond}
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
					d := &directory{password: "right", checkDelay: delay, hangs: func(host string) bool {
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
