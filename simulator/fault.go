package simulator

import (
	"crypto/rand"
	"net/http"
	"slices"
	"time"
)

// A Fault is a misbehaviour as data: it answers in place of the appliance, or
// spoils the appliance's own answer.
//
// Hang, Reset, Status, Body, Code and RandomCode answer in its place: no
// session is created, used or ended, unless After is set. With none of them the
// appliance does its work, and the other fields spoil what it answers.
type Fault struct {
	On    Operation // requests it applies to; "": all, those for other paths and methods too
	Skip  int       // requests to let through first; counts down
	Times int       // requests to spoil, then it is removed; counts down; 0: until removed

	After bool          // the appliance does its work first, so that a login the client never hears of leaves a session
	Delay time.Duration // before anything is sent, and without After before the work
	Hang  bool          // never answers, until the client goes or the server stops
	Reset bool          // resets the connection in place of an answer

	Status     int               // 0: 200 where Body is given, 500 where Code or RandomCode is, else the appliance's own
	Header     map[string]string // added, over the appliance's own; Content-Type is application/json otherwise
	Body       string            // in place of the appliance's own
	Code       string            // the API's documented error body with this code
	RandomCode bool              // the same with a new random code in each answer

	Size int64         // the body is padded with spaces to this many bytes, which are never held in memory
	Gzip bool          // the body is sent gzip-encoded, asked for or not; Size is before compression
	Drip time.Duration // the body is sent one byte at a time with this pause after each; padded for ever if Size is 0

	DropToken bool // a login is accepted, and its answer has no token
	DeadToken bool // a login is accepted, and its token is refused from the start
}

// takeFault takes the first fault that applies to a request, counting it and
// the ones before it that let the request through.
func (s *Settings) takeFault(op Operation) Fault {
	for i := range s.Faults {
		f := &s.Faults[i]
		switch {
		case f.On != "" && f.On != op:
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		}
		taken := *f
		switch f.Times {
		case 0:
		case 1:
			s.Faults = slices.Delete(s.Faults, i, i+1)
		default:
			f.Times--
		}
		return taken
	}
	return Fault{}
}

// replaces says whether the fault answers in place of the appliance.
func (f Fault) replaces() bool {
	return f.Hang || f.Reset || f.Status != 0 || f.Body != "" || f.Code != "" || f.RandomCode
}

// replacement is what the fault answers in place of the appliance.
func (f Fault) replacement(d dialect, now time.Time) answer {
	code := f.Code
	if f.RandomCode {
		code = "E_" + rand.Text()
	}
	switch {
	case code != "":
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		return d.failure(problem{status, code, "Simulated failure"}, now)
	case f.Status != 0:
		return answer{status: f.Status, body: []byte(f.Body)}
	}
	return answer{status: http.StatusOK, body: []byte(f.Body)}
}
