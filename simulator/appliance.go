package simulator

import (
	"net/http"
	"sync"
	"time"
)

// An Operation is one of the things a client can ask of a session API.
type Operation string

// The operations. The first three are methods of one URL, the others those of
// a dr gateway's URL of a [Pairing].
const (
	Check  Operation = "check"  // GET
	Login  Operation = "login"  // POST
	Logout Operation = "logout" // DELETE

	RemoteCheck Operation = "remote check" // GET
	RemoteLogin Operation = "remote login" // POST
)

// An Appliance is one simulated appliance: an [http.Handler] with accounts,
// sessions and faults. It is safe for concurrent use.
type Appliance struct {
	dialect dialect
	path    string

	mu       sync.Mutex // guards everything below
	settings Settings
	sessions map[string]*session // by token
	locks    map[string]lock     // by username
	stats    Stats               // Sessions and Locked are filled in when asked for
}

// NewHCX returns a simulated VMware HCX Manager.
func NewHCX(s Settings) *Appliance {
	return newAppliance(hcx{}, "/api/admin/v1/sessions", s)
}

// NewDR returns a simulated disaster-recovery gateway. The base path is where
// the product has its API, as "/api/rest/srm/v2", or empty.
func NewDR(basePath string, s Settings) *Appliance {
	return newAppliance(dr{}, basePath+"/session", s)
}

func newAppliance(d dialect, path string, s Settings) *Appliance {
	return &Appliance{
		dialect:  d,
		path:     path,
		settings: s.clone(),
		sessions: map[string]*session{},
		locks:    map[string]lock{},
	}
}

// ServeHTTP answers as the appliance does, or as the first fault that applies
// wants it.
func (a *Appliance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, pairing, stray := a.route(r)
	// The request is read even if a fault ignores it: net/http notices that a
	// client has gone, and ends the fault, only once the body was read.
	c := a.dialect.claim(op, r)
	c.pairing = pairing
	fault, now := a.receive(op)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))

	own := func() answer {
		if stray.status != 0 {
			return stray
		}
		return a.perform(op, c, fault)
	}
	var reply answer
	if fault.After {
		reply = own()
	}
	pause(r.Context(), fault.Delay)
	switch {
	case fault.replaces():
		reply = fault.replacement(a.dialect, now)
	case !fault.After:
		reply = own()
	}
	fault.send(w, r, reply)
}

// Change alters the settings while the appliance runs. change must not call the
// appliance, nor keep s; slices, and headers of faults, are to be replaced, not written into.
func (a *Appliance) Change(change func(s *Settings)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.settings)
	// A change may have put maps and slices of the caller's in.
	a.settings = a.settings.clone()
}

// Stats returns what the appliance has counted so far.
func (a *Appliance) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.expire(now)
	stats := a.stats
	stats.Sessions = len(a.sessions)
	for _, l := range a.locks {
		if now.Before(l.until) {
			stats.Locked++
		}
	}
	return stats
}

// route says which operation a request asks for, or how a request for anything
// else is answered.
func (a *Appliance) route(r *http.Request) (op Operation, pairing string, stray answer) {
	operations, allowed := map[string]Operation{http.MethodGet: Check, http.MethodPost: Login, http.MethodDelete: Logout}, "GET, POST, DELETE"
	pairing, remote := a.pairingOf(r.URL.Path)
	switch {
	case remote:
		operations, allowed = map[string]Operation{http.MethodGet: RemoteCheck, http.MethodPost: RemoteLogin}, "GET, POST"
	case r.URL.Path != a.path:
		return "", "", answer{status: http.StatusNotFound}
	}
	if op, known := operations[r.Method]; known {
		return op, pairing, answer{}
	}
	return "", "", answer{
		status: http.StatusMethodNotAllowed,
		header: http.Header{"Allow": {allowed}},
	}
}

// receive counts a request and takes the fault that applies to it, the zero
// Fault if none does. now is the time by the appliance's clock.
func (a *Appliance) receive(op Operation) (f Fault, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Requests++
	switch op {
	case Check:
		a.stats.Checks++
	case Login:
		a.stats.Attempts++
	}
	return a.settings.takeFault(op), time.Now().Add(a.settings.ClockOffset)
}

// perform does what was asked and puts the outcome into the API's words.
func (a *Appliance) perform(op Operation, c claim, f Fault) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.decide(op, c)
	o.now = time.Now().Add(a.settings.ClockOffset)
	if no := a.settings.NoSession; op == Check && o.verdict == noSession && no != (Reply{}) {
		return answer{status: no.Status, body: []byte(no.Body)}
	}
	if f.DeadToken && op == Login {
		delete(a.sessions, o.token)
	}
	if f.DropToken {
		o.token = ""
	}
	return a.dialect.answer(op, o)
}
