package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// keptBody is the size up to which the transport keeps buffers.
const keptBody = 16 << 10

// A marking appliance has its mark in all its responses. Their bodies differ in size, and
// some are truncated or arrive after the probe's timeout.
type marking struct {
	t    *testing.T
	mark string

	mu     sync.Mutex // guards the fields below
	random *rand.Rand
	issued int             // number of sessions
	held   map[string]bool // sessions that were not logged out
}

func (m *marking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	response, delay := m.response(r)
	stall(r, delay)
	response.ServeHTTP(w, r)
}

func (m *marking) response(r *http.Request) (response reply, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	token := r.Header.Get(drTokenHeader)
	if _, _, basic := r.BasicAuth(); !basic && !m.held[token] {
		m.t.Errorf("%s got %q, which it did not issue", m.mark, token)
	}
	if r.Method == http.MethodDelete {
		delete(m.held, token)
		return reply{status: http.StatusNoContent}, 0
	}
	if m.random.IntN(4) == 0 {
		delay = 15 * time.Second
	}
	text := strings.Repeat(m.mark+" ", m.random.IntN(3*keptBody/len(m.mark)))
	if m.random.IntN(5) == 0 {
		return reply{status: http.StatusInternalServerError, body: fmt.Sprintf(`{"error_code": %q, "errorCode": %[1]q, "message": %q, "error": %[2]q}`, m.mark, text)}, delay
	}
	session := ""
	if r.Method == http.MethodPost {
		m.issued++
		session = m.mark + strconv.Itoa(m.issued)
		m.held[session] = true
	}
	response = reply{status: http.StatusOK, body: fmt.Sprintf(`{"success": true, "session_id": %q, "username": %q, "data": {"user": {"username": %[2]q, "roles": [%q]}}}`, session, m.mark, text)}
	if r.Method == http.MethodGet && m.random.IntN(5) == 0 {
		response.header = map[string]string{"Content-Length": strconv.Itoa(len(response.body) + 1)}
	}
	return response, delay
}

// Bodies are read into reused buffers. However many responses arrive concurrently, no result
// or trace has a part of another response, and the session of a late login is logged out.
func TestBodiesAreNotMixedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards found
		found := make(map[sessionapi.State]int)
		var probing sync.WaitGroup
		for i := range 20 {
			w := way{"dr", sessionapi.AuthLogin}
			if i%2 == 0 {
				w = way{"hcx", sessionapi.AuthBasic}
			}
			e := w.endpoint()
			e.Interval, e.SessionMaxAge = 20*time.Second, 2*time.Minute
			m := &marking{t: t, mark: fmt.Sprintf("site-%02d.", i), random: rand.New(rand.NewPCG(1, uint64(i))), held: make(map[string]bool)}
			p := piped(t, e, m)
			probing.Go(func() {
				for range 20 {
					r, err := p.Probe(t.Context(), Options{Trace: true})
					if err != nil {
						t.Error(err)
						return
					}
					checkMarks(t, m.mark, *r)
					mu.Lock()
					found[r.State]++
					mu.Unlock()
					<-time.After(e.Interval)
				}
				<-time.After(maxLateWait)
				closeProber(t, p)
				if len(m.held) > 0 {
					t.Errorf("the sessions %v are left at %s", m.held, m.mark)
				}
			})
		}
		probing.Wait()
		for _, state := range []sessionapi.State{sessionapi.Valid, sessionapi.Timeout, sessionapi.ServerError, sessionapi.Unreachable} {
			if found[state] < 15 {
				t.Errorf("found %v, want at least 15 results with %s", found, state)
			}
		}
	})
}

var anyMark = regexp.MustCompile(`site-\d\d\.`)

// checkMarks checks that everything in a result comes from one appliance.
func checkMarks(t *testing.T, mark string, r Result) {
	t.Helper()
	shown, err := json.Marshal(r)
	if err != nil {
		t.Error(err)
	}
	for _, other := range anyMark.FindAllString(string(shown), -1) {
		if other != mark {
			t.Errorf("a result of %s contains the mark %s: %.1000s", mark, other, shown)
			return
		}
	}
	if r.State == sessionapi.Valid && r.Identity.Username != mark {
		t.Errorf("%q is logged in at %s", r.Identity.Username, mark)
	}
}
