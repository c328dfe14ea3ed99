package web

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// If a probe sent nothing, the response has the reason, and when to try again.
func TestProbeNowSendsNothing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		result func(now time.Time) probe.Result
		want   string
		after  string // Retry-After
		onPage string // shown in addition
	}{
		{
			"guard", func(now time.Time) probe.Result {
				return probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account", ResumeAt: now.Add(19 * time.Minute)}
			},
			`Nothing was sent: the lockout guard holds back logins with credential "account". Try again in 19 min, at 2000-01-01 00:19:00 UTC.`, "1140",
			"Lockout guard : logins with credential account are held back; the next one is permitted in 19 min .",
		},
		{
			"guard, another login in flight", func(time.Time) probe.Result {
				return probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account"}
			},
			`Nothing was sent: the lockout guard holds back logins with credential "account".`, "", "are held back.",
		},
		{
			"an earlier login has no response", func(now time.Time) probe.Result {
				return probe.Result{State: sessionapi.Timeout, Pending: true, BackoffUntil: now.Add(time.Minute)}
			},
			"Nothing was sent: the response to an earlier login is outstanding, and its secret has not been accepted yet.", "",
			"Back-off (after failed logins; “Probe now” ignores it): no request for another 1 min .",
		},
		{
			"Retry-After", func(now time.Time) probe.Result {
				return probe.Result{State: sessionapi.RateLimited, RetryAfterUntil: now.Add(90*time.Second + time.Millisecond), BackoffUntil: now.Add(time.Hour)}
			},
			"Nothing was sent: the appliance requested a pause (Retry-After). Try again in 1 min 30 s, at 2000-01-01 00:01:30 UTC.", "91",
			"Retry-After (requested by the appliance; “Probe now” respects it): no request for another 1 min 30 s .",
		},
		{
			"missing secret", func(time.Time) probe.Result {
				return probe.Result{State: sessionapi.CredentialMissing, Diagnosis: "The file is empty."}
			},
			"Nothing was sent: The file is empty.", "", "The file is empty.",
		},
		{
			"a late response to an earlier login", func(time.Time) probe.Result {
				return probe.Result{State: sessionapi.CredentialsRejected, HeldCredential: "account", Steps: []probe.StepResult{{Step: sessionapi.Login, Status: 401}}}
			},
			`Nothing was sent: the lockout guard holds back logins with credential "account".`, "", "are held back.",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{}
				result := tc.result(time.Now())
				s.add("a/b", &result)
				response := send(s.handler(t), http.MethodPost, "/-/probe?endpoint=a%2Fb", "Accept", "*/*")
				if got := strings.TrimSpace(response.Body.String()); response.Code != http.StatusConflict || got != tc.want || response.Header().Get("Retry-After") != tc.after {
					t.Errorf("status %d, %v, %s\nwant %s", response.Code, response.Header(), got, tc.want)
				}
				browser := submit(s.handler(t), "/-/probe?endpoint=a%2Fb", nil)
				page := parsePage(t, browser.Body)
				// The page has the exact time only on hover.
				onNotice, _, exact := strings.Cut(tc.want, ", at ")
				if exact {
					onNotice += " ."
				}
				if browser.Code != http.StatusConflict || page.withID("notice").text() != onNotice || !strings.Contains(page.withID("now").text(), tc.onPage) {
					t.Errorf("status %d: %s\n%s", browser.Code, page.withID("notice").text(), page.withID("now").text())
				}
				if links := page.all("link", "rel"); len(links) == 0 || !strings.Contains(render(links), "../endpoints/?name=a%2Fb") {
					t.Errorf("the page has no canonical link: %s", render(links))
				}
			})
		})
	}
}

// An endpoint is probed on demand at most once every 10 s.
func TestProbeNowTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		s.add("a", &probe.Result{State: sessionapi.Valid, Attempted: true})
		handler := s.handler(t)
		for _, want := range []int{200, 409} {
			response := send(handler, http.MethodPost, "/-/probe?endpoint=a", "Accept", "*/*")
			if response.Code != want {
				t.Fatalf("status %d, want %d: %s", response.Code, want, response.Body)
			}
			if want == 409 && (response.Header().Get("Retry-After") != "10" || !strings.Contains(response.Body.String(), "Nothing was sent: the endpoint is probed on demand at most once every 10s. Try again in 10 s, at ")) {
				t.Errorf("%v %s", response.Header(), response.Body)
			}
		}
		time.Sleep(10 * time.Second)
		if response := submit(handler, "/-/probe?endpoint=a", nil); response.Code != http.StatusSeeOther {
			t.Errorf("status %d", response.Code)
		}
	})
}

// Holds that have passed are not shown.
func TestExpiredHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		s.add("a", &probe.Result{State: sessionapi.ServerError, BackoffUntil: time.Now().Add(time.Minute)})
		handler := s.handler(t)
		if text := openPage(t, handler, "/endpoints/a").withID("now").text(); !strings.Contains(text, "Back-off") {
			t.Errorf("no back-off in %s", text)
		}
		time.Sleep(time.Minute + time.Second)
		if text := openPage(t, handler, "/endpoints/a").withID("now").text(); strings.Contains(text, "Back-off") {
			t.Errorf("an expired back-off in %s", text)
		}
	})
}
