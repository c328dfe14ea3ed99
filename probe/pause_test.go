package probe

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, c := range []struct {
			name, value, date string
			want              time.Duration
		}{
			{"seconds", "120", "", 2 * time.Minute},
			{"none", "", "", 0},
			{"zero", "0", "", 0},
			{"negative", "-5", "", 0},
			{"too many", "86400", "", time.Hour},
			{"beyond int64", "99999999999999999999", "", time.Hour},
			{"date", in(2 * time.Minute), "", 2 * time.Minute},
			{"date that has passed", in(-2 * time.Minute), "", 0},
			{"date by a clock that is off", in(12 * time.Minute), in(10 * time.Minute), 2 * time.Minute},
			{"date in a year", in(365 * 24 * time.Hour), "", time.Hour},
			{"fraction", "1.5", "", 0},
			{"garbage", "soon", "", 0},
		} {
			header := http.Header{"Retry-After": {c.value}}
			if c.date != "" {
				header.Set("Date", c.date)
			}
			if got := retryAfter(header); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	})
}

// Nothing is sent until the time is up, by a steady interval.
func TestRateLimitIsHonoured(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		header   func() string
		want     []int // seconds at which something is sent
	}{
		{"seconds", 30 * time.Second, func() string { return "120" }, []int{0, 120, 240}},
		{"seconds between probes", 50 * time.Second, func() string { return "120" }, []int{0, 150}},
		{"date", 30 * time.Second, func() string { return time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat) }, []int{0, 120, 240}},
		{"none", 60 * time.Second, func() string { return "" }, []int{0, 60, 120, 180, 240}},
	} {
		for _, w := range []way{{"hcx", config.AuthLogin}, {"hcx", config.AuthToken}, {"dr", config.AuthToken}} {
			t.Run(c.name+"/"+w.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent []int
					begin := time.Now()
					limited := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
						sent = append(sent, int(time.Since(begin).Seconds()))
						rw.Header().Set("Retry-After", c.header())
						rw.WriteHeader(http.StatusTooManyRequests)
					})
					e := w.endpoint()
					e.Interval = c.interval
					appliance := &handwritten{get: []http.Handler{limited}, post: []http.Handler{w.login()}, del: []http.Handler{w.logout()}}
					p := piped(t, e, appliance)
					for _, r := range probesFor(t, p, 299*time.Second) {
						if r.State != RateLimited || (c.header() == "") != r.ResumeAt.IsZero() {
							t.Errorf("%s, %d steps, resumes at %s", r.State, len(r.Steps), r.ResumeAt)
						}
					}
					if fmt.Sprint(sent) != fmt.Sprint(c.want) {
						t.Errorf("sent at %v, want %v", sent, c.want)
					}
				})
			})
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "-1", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9223372036854775808"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		if got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}); got < 0 || got > maxRetryAfter {
			t.Errorf("%s", got)
		}
	})
}

// A target of /probe may be at the address of an endpoint that is listed, and of its
// name. They are probed side by side.
func TestTargetHasItsOwnPause(t *testing.T) {
	listed := endpointFor("hcx", config.AuthBasic)
	b, err := NewFactory().Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": listed.Credential}, Endpoints: []*config.Endpoint{listed}})
	if err != nil {
		t.Fatal(err)
	}
	target := *listed
	own := proberOf(t, b, listed).pause
	if proberOf(t, b, &target).pause == own {
		t.Error("they share a pause")
	}
	if proberOf(t, b, listed).pause != own {
		t.Error("the pause does not outlive the prober")
	}
}

// What was corrected is tried at once, unless the appliance wants to be left alone.
func TestPauseAfterAChange(t *testing.T) {
	for name, c := range map[string]struct {
		answer reply
		tried  bool
	}{
		"malformed login": {reply{status: 400}, true},
		"Retry-After":     {reply{status: 503, header: map[string]string{"Retry-After": "600"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &handwritten{post: []http.Handler{c.answer}}
				p := piped(t, endpointFor("hcx", config.AuthLogin), h)
				probesFor(t, p, 4*time.Minute)
				sent := h.methods()
				if !p.Adopt(p.Release()) {
					t.Fatal("the session is not adopted")
				}
				mustProbe(t, p)
				if tried := h.methods() != sent; tried != c.tried {
					t.Errorf("tried: %t", tried)
				}
			})
		})
	}
}
