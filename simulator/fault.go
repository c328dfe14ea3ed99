package simulator

import (
	"crypto/rand"
	"net/http"
	"slices"
	"time"
)

// A Fault is a misbehavior as data: it replaces or modifies the appliance's response.
//
// Hang, Reset, Status, Body, Code and RandomCode replace the response: unless After is set,
// no session is created, used or ended. Without these fields, the appliance performs the
// operation, and the other fields modify its response.
type Fault struct {
	On    Operation // requests to which it applies; "": all, including other paths and methods
	Skip  int       // requests to ignore first; counts down
	Times int       // requests to apply to before it is removed; counts down; 0: unlimited

	After bool          // perform the operation first: a login leaves a session that the client does not know
	Delay time.Duration // before the response, and without After before the operation
	Hang  bool          // send no response until the client disconnects or the server stops
	Reset bool          // reset the connection instead of responding

	Status     int               // 0: 500 with Code or RandomCode, 200 with Body, otherwise the appliance's own
	Header     map[string]string // overrides the appliance's own; Content-Type defaults to application/json
	Body       string            // replaces the appliance's own; ignored with Code or RandomCode
	Code       string            // respond with the API's documented error body and this code
	RandomCode bool              // the same, with a new random code in each response

	Size int64         // pad the body with spaces to this many bytes, without holding them in memory
	Gzip bool          // compress the body, whether or not the client accepts it; Size is the uncompressed size
	Drip time.Duration // send the body byte by byte at this interval; endless if Size is 0

	DropToken bool // accept a login, but respond without a token
	DeadToken bool // accept a login, but refuse its token
}

// takeFault returns the first fault that applies to an operation, the zero Fault for none, and
// updates the faults' counters.
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

// replaces reports whether the fault replaces the appliance's response.
func (f Fault) replaces() bool {
	return f.Hang || f.Reset || f.Status != 0 || f.Body != "" || f.Code != "" || f.RandomCode
}

// replacement returns the response that replaces the appliance's. now is the time by the
// appliance's clock.
func (f Fault) replacement(d dialect, now time.Time) httpResponse {
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
		return d.errorResponse(apiError{status, code, "Simulated failure"}, now)
	case f.Status != 0:
		return httpResponse{status: f.Status, body: []byte(f.Body)}
	}
	return httpResponse{status: http.StatusOK, body: []byte(f.Body)}
}
