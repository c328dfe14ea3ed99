package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"session_exporter/simulator"
)

// A site is an appliance with a bookkeeper at its door, who notes what the one
// client that it has was told, and what got lost on the way.
type site struct {
	*simulator.Appliance
	name string
	// judged hears of each password that was accepted or refused. Optional.
	judged func(judgement)

	mu       sync.Mutex // guards the fields below
	busy     int        // requests under way
	overlaps int        // requests that came while another was under way
	last     time.Time  // when the last request came
	heard    int        // refusals of a password that the client was told of
	lost     int        // logins without an answer
	lostLast time.Time  // when the last one was given up
	held     held       // what the client must think it holds
	opens    int        // logins that the appliance accepted
	orphans  int        // live sessions that the client does not hold
	late     bool       // the last login was answered when its probe had ended
	gone     bool       // the client was told to stop
}

// held is the session of a client.
type held int

const (
	none held = iota
	live
	dead // the appliance has ended it, and the client was not told yet
)

// judgement is one password that an appliance has judged.
type judgement struct {
	password   string
	accepted   bool
	heard      bool // the client was told
	begin, end time.Time
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	opens := s.enter()
	noted := &noted{ResponseWriter: w}
	v := visit{r, opens, time.Now(), s.Stats()}
	defer func() { // which a fault's panic runs too
		answered := noted.status != 0 && r.Context().Err() == nil
		s.leave(v, noted, answered)
		after := s.Stats()
		refused := after.Refusals > v.before.Refusals
		accepted := after.Logins > v.before.Logins || (basicCheck(r) && noted.status == http.StatusOK)
		if s.judged != nil && (refused || accepted) {
			s.judged(judgement{passwordOf(r, body), accepted, answered && (!refused || noted.status == http.StatusUnauthorized), v.begin, time.Now()})
		}
	}()
	s.Appliance.ServeHTTP(noted, r)
}

// enter waits for a request that its client has just given up. A moment of
// virtual time is enough for that, and is short in real time. It returns how many
// logins were accepted until now.
func (s *site) enter() (opens int) {
	s.mu.Lock()
	s.busy++
	// One that is answered later than its probe's timeout is no probe's any more. It
	// was sent when half of that had passed, at the latest.
	const own = 4 * time.Second
	others := s.busy > 1 && time.Since(s.last) < own
	s.last = time.Now()
	opens = s.opens
	s.mu.Unlock()
	if !others {
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

// visit is a request, and how things were before it.
type visit struct {
	*http.Request
	opens  int
	begin  time.Time
	before simulator.Stats
}

func (s *site) leave(v visit, w *noted, answered bool) {
	after := s.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if after.Refusals > v.before.Refusals && answered && w.status == http.StatusUnauthorized {
		s.heard++
	}
	switch v.Method {
	case http.MethodPost:
		const timeout = 9 * time.Second // the shorter one
		s.late = time.Since(v.begin) >= timeout
		if !answered {
			s.lost++
			s.lostLast = time.Now()
		}
		if after.Logins > v.before.Logins {
			s.opened(answered && w.hasToken(), after.Sessions > v.before.Sessions)
		}
	case http.MethodDelete: // whatever the answer, the client holds it no more
		ended := after.Logouts > v.before.Logouts
		switch {
		case s.opens > v.opens: // the client gave this up, and so opened counts it as forgotten
			s.orphans -= count(ended)
			return
		case answered && w.status == http.StatusTooManyRequests && !s.late && !s.gone: // but then
			if ended && s.held == live {
				s.held = dead
			}
			return
		case s.held == live && !ended:
			s.orphans++
		case s.held != live && ended:
			s.orphans-- // the transport has sent it again
		}
		s.held = none
	case http.MethodGet:
		if s.held == dead && answered && w.status == http.StatusUnauthorized {
			s.held = none
		}
	}
}

// opened notes a login that the appliance accepted.
func (s *site) opened(told, alive bool) {
	s.opens++
	if s.held == live {
		s.orphans++ // the client has forgotten it
	}
	switch {
	case told && alive:
		s.held = live
	case told:
		s.held = dead
	case alive:
		s.held = none
		s.orphans++
	}
}

// restart ends all sessions, unless a request is under way.
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

// stop notes whether the client is told to stop.
func (s *site) stop(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = gone
}

// noted is an answer that is looked at while it is sent.
type noted struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

func (n *noted) Write(p []byte) (int, error) {
	n.body.Write(p)
	return n.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (n *noted) hasToken() bool {
	return n.status == http.StatusOK &&
		(n.Header().Get("x-hm-authorization") != "" || bytes.Contains(n.body.Bytes(), []byte(`"session_id"`)))
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
