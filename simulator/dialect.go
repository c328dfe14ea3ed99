package simulator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// A dialect is how one API puts things: what appliances do is common to all,
// where a request carries its credentials and what an answer looks like is not.
type dialect interface {
	// claim reads who a request says it comes from. It may read the body.
	claim(op Operation, r *http.Request) claim
	// answer words the outcome of an operation.
	answer(op Operation, o outcome) answer
	// failure words an error in the API's documented error body.
	failure(p problem, now time.Time) answer
}

// A claim is who a request says it comes from: at most one of the ways in.
type claim struct {
	malformed string // why the request cannot be read; empty: it can
	token     string // a session's
	bearer    string
	basic     bool // username and password are given
	username  string
	password  string
	pairing   string // that the request is about
}

// A verdict is what the appliance thinks of a request.
type verdict int

const (
	accepted verdict = iota
	malformed
	refused   // username and password
	noSession // no token, or one that is not, or no longer, good
	forbidden
	full    // no session slot is left
	unknown // pairing
)

// An outcome is all that an answer can tell.
type outcome struct {
	verdict  verdict
	username string
	account  Account
	token    string    // of the session that a login created
	now      time.Time // by the appliance's clock
	detail   string    // what was malformed
}

// A problem is an error before it is worded.
type problem struct {
	status  int
	code    string // of the API's own codes; empty: it has none for this
	message string
}

// An answer is an HTTP answer with, if any, a JSON body.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func jsonAnswer(status int, document any) answer {
	body, err := json.Marshal(document)
	if err != nil {
		panic(err) // only this package's own plain structs come here
	}
	return answer{status: status, body: body}
}

// uuid returns a random (version 4) UUID.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
