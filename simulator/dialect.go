package simulator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// A dialect is the wire format of an API: where a request carries its credentials, and the
// format of a response. The behavior of appliances is common to all APIs.
type dialect interface {
	// credentials returns the credentials of a request. It may read the body.
	credentials(op Operation, r *http.Request) credentials
	// response returns the response for the outcome of an operation.
	response(op Operation, o outcome) httpResponse
	// errorResponse returns an error in the API's documented format.
	errorResponse(e apiError, now time.Time) httpResponse
}

// credentials are the credentials of a request. Only a remote login has two kinds: the token
// of the local session, and a username and password.
type credentials struct {
	malformed string // error of a malformed request; empty: none
	token     string // session token
	bearer    string
	basic     bool // the request has a username and password
	username  string
	password  string
	pairing   string // pairing of the request's URL
}

// A verdict is the decision about a request.
type verdict int

const (
	accepted verdict = iota
	malformed
	refused   // wrong username or password
	noSession // no token, or one that is invalid or expired
	forbidden
	full    // no free session slot
	unknown // unknown pairing
)

// An outcome is the result of an operation.
type outcome struct {
	verdict  verdict
	username string
	account  Account
	token    string    // of the session that a login created
	now      time.Time // by the appliance's clock
	detail   string    // error of a malformed request
}

// An apiError is an error of an API.
type apiError struct {
	status  int
	code    string // the API's error code; empty: none
	message string
}

// An httpResponse is a response. body is nil if it has none.
type httpResponse struct {
	status int
	header http.Header
	body   []byte
}

func jsonResponse(status int, document any) httpResponse {
	body, err := json.Marshal(document)
	if err != nil {
		panic(err) // impossible: all documents are plain structs of this package
	}
	return httpResponse{status: status, body: body}
}

// uuid returns a random (version 4) UUID.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
