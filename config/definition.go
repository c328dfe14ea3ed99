package config

// Definition is a session API that the configuration describes: an entry of
// `apis:`. It is complete and checked, and its expressions are compiled.
type Definition struct {
	// API is what the rest of the configuration has to know of it.
	API API
	// YAML is the entry as it was understood. Two with the same text are the same
	// API.
	YAML string

	// Headers are sent with every request.
	Headers map[string]string
	// Login is nil when sessions are only ever given by somebody else, Logout when
	// they cannot be ended.
	Login, Logout *Request
	Check         Request
	// Session are the parts that a session has, in the order of the file.
	Session []SessionPart

	// Body is what the answers look like, nil when that is not said.
	Body *Type
	// ErrorCodes are the documented error codes with the state that each means,
	// empty where it means none by itself.
	ErrorCodes map[string]string
	// OperationID is what the API calls the id of a request.
	OperationID string
	Answer      Answer
	Rules       []Rule
}

// Equal reports whether both describe the same API in the same way. Both may be
// nil.
func (d *Definition) Equal(other *Definition) bool {
	if d == nil || other == nil {
		return d == other
	}
	return d.YAML == other.YAML
}

// Request is how one request looks.
type Request struct {
	Method string
	Path   Template // with a query, perhaps
	Send   Send
	Body   *Value // nil for none
}

// Send is how a request carries its fields.
type Send string

// The ways to send. SendBasic is a login whose password is in a header.
const (
	SendBasic Send = "basic"
	SendJSON  Send = "json"
	SendForm  Send = "form"
)

// SessionPart is one of the values that make a session: where a login gives it,
// and where it goes in the requests that follow.
type SessionPart struct {
	From Place
	Name string   // of the response header or the cookie
	Path []string // of the field, where it is in the body; none for the whole body
	To   Place
	As   string // name of the request header or the cookie
	// Prefix stands before the value in a request header.
	Prefix string
}

// Place is a part of a request or an answer.
type Place string

// The places. A part that goes to the path stands for `$session` there.
const (
	InHeader Place = "header"
	InCookie Place = "cookie"
	InBody   Place = "body"
	InPath   Place = "path"
)

// Answer are the expressions that say what an answer means, each nil where the
// API does not say it.
type Answer struct {
	Authenticated                               *Expression
	Username, Organization, Enterprise, Version *Expression
	Roles, Organizations                        *Expression
	ErrorCode, Message, OperationID             *Expression
	Expiry, ServerTime                          *Expression
}

// Rule says that answers for which When holds mean State.
type Rule struct {
	When  *Expression
	State string
	Why   string // in words, what about the answer means that; may be empty
}

// AnswerStates are the states that a rule or an error code may mean. `valid` is
// none of them: only a user who is named makes a session valid.
var AnswerStates = []string{
	"bad_request", "credentials_rejected", "forbidden", "invalid_response",
	"rate_limited", "server_error", "session_expired",
}
