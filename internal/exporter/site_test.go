package exporter

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"session_exporter/simulator"
)

// A site is an appliance that records which responses reached its client (the exporter) and
// which were lost.
type site struct {
	*simulator.Appliance
	name string
	// onVerdict, if set, is called for each password that was accepted or refused.
	onVerdict func(passwordVerdict)

	mu       sync.Mutex // guards the fields below
	busy     int        // requests in flight
	overlaps int        // requests that arrived while another was in flight
	last     time.Time  // when the last request arrived
	reported int        // refusals of a password that reached the client
	lost     int        // logins without a response, or with one that hides the session
	lostLast time.Time  // when the last of them ended
	held     held       // the session that the client holds
	opens    int        // logins that the appliance accepted
	orphans  int        // live sessions that the client does not hold
	late     bool       // the last login took longer than its probe's timeout
	removed  bool       // the client's configuration does not have this site
}

// held is the state of the client's session.
type held int

const (
	none held = iota
	live
	dead // the appliance has ended it, and the client does not know that yet
)

// passwordVerdict is the appliance's verdict on one password.
type passwordVerdict struct {
	password   string
	accepted   bool
	reported   bool // the client got the response
	begin, end time.Time
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	opens := s.begin()
	recorder := &responseRecorder{ResponseWriter: w}
	v := exchange{r, opens, time.Now(), s.Stats()}
	defer func() { // deferred because a fault may panic
		responded := recorder.status != 0 && r.Context().Err() == nil
		s.end(v, recorder, responded)
		after := s.Stats()
		refused := after.Refusals > v.before.Refusals
		accepted := after.Logins > v.before.Logins || (basicCheck(r) && recorder.status == http.StatusOK)
		if s.onVerdict != nil && (refused || accepted) {
			s.onVerdict(passwordVerdict{passwordOf(r, body), accepted, responded && (!refused || recorder.status == http.StatusUnauthorized), v.begin, time.Now()})
		}
	}()
	s.Appliance.ServeHTTP(recorder, r)
}

// begin counts a request. If another is in flight, it waits a millisecond of virtual time, so
// that a request that the client has just abandoned can end. It returns the number of logins
// accepted so far.
func (s *site) begin() (opens int) {
	s.mu.Lock()
	s.busy++
	// A login may outlast its probe's timeout, which does not count as an overlap. It was sent
	// in the first half of the timeout, so it is older than maxAge at the next request.
	const maxAge = 4 * time.Second
	overlaps := s.busy > 1 && time.Since(s.last) < maxAge
	s.last = time.Now()
	opens = s.opens
	s.mu.Unlock()
	if !overlaps {
		return opens
	}
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy > 1 {
		s.overlaps++
	}
	return opens
}

// exchange is a request and the state of the site before it.
type exchange struct {
	*http.Request
	opens  int
	begin  time.Time
	before simulator.Stats
}

func (s *site) end(v exchange, w *responseRecorder, responded bool) {
	after := s.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if after.Refusals > v.before.Refusals && responded && w.status == http.StatusUnauthorized {
		s.reported++
	}
	switch v.Method {
	case http.MethodPost:
		const timeout = 9 * time.Second // the shorter of the storm's two
		s.late = time.Since(v.begin) >= timeout
		if !responded || w.hidesSession() {
			s.lost++
			s.lostLast = time.Now()
		}
		if after.Logins > v.before.Logins {
			s.opened(responded && w.hasToken(), after.Sessions > v.before.Sessions)
		}
	case http.MethodDelete: // the client drops the session whatever the response
		ended := after.Logouts > v.before.Logouts
		switch {
		case s.opens > v.opens: // the client abandoned this logout, and opened counted its session as an orphan
			s.orphans -= count(ended)
			return
		case responded && w.status == http.StatusTooManyRequests && !s.late && !s.removed: // the client retries the logout
			if ended && s.held == live {
				s.held = dead
			}
			return
		case s.held == live && !ended:
			s.orphans++
		case s.held != live && ended:
			s.orphans-- // the transport repeated the request
		}
		s.held = none
	case http.MethodGet:
		if s.held == dead && responded && w.status == http.StatusUnauthorized {
			s.held = none
		}
	}
}

// opened records a login that the appliance accepted. known reports whether the client got
// its token, alive whether the appliance accepts the token.
func (s *site) opened(known, alive bool) {
	s.opens++
	if s.held == live {
		s.orphans++ // the client has forgotten its session
	}
	switch {
	case known && alive:
		s.held = live
	case known:
		s.held = dead
	case alive:
		s.held = none
		s.orphans++
	}
}

// restart ends all sessions, unless a request is in flight.
func (s *site) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy > 0 {
		return
	}
	s.EndSessions()
	s.orphans = 0
	if s.held == live {
		s.held = dead
	}
}

// setRemoved records whether the site was removed from the configuration.
func (s *site) setRemoved(removed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = removed
}

// responseRecorder records a response while it is sent.
type responseRecorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *responseRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *responseRecorder) Write(p []byte) (int, error) {
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap supports http.ResponseController.
func (r *responseRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *responseRecorder) hasToken() bool {
	return r.status == http.StatusOK &&
		(r.Header().Get("x-hm-authorization") != "" || bytes.Contains(r.body.Bytes(), []byte(`"session_id"`)))
}

// hidesSession reports whether a response to a login is a success without a token. An
// HTML page is not the API's response.
func (r *responseRecorder) hidesSession() bool {
	return r.status == http.StatusOK && !r.hasToken() && !bytes.HasPrefix(r.body.Bytes(), []byte("<"))
}

func basicCheck(r *http.Request) bool {
	_, _, basic := r.BasicAuth()
	return basic && r.Method == http.MethodGet
}

// passwordOf returns the password that a request carries.
func passwordOf(r *http.Request, body []byte) string {
	if _, password, basic := r.BasicAuth(); basic {
		return password
	}
	var login struct{ Password string }
	_ = json.Unmarshal(body, &login) // a login without a password is refused as one
	return login.Password
}
