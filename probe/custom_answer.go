package probe

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"session_exporter/config"
)

// scope is what expressions see of one answer.
type scope struct {
	step    Step
	answer  Answer
	body    any
	headers map[string]string // made when an expression asks for it
	// code and username are what was read of the answer, for the rules.
	code, username string
}

// Variable implements config.Variables.
func (s *scope) Variable(name string) (any, bool) {
	switch name {
	case "status":
		return int64(s.answer.Status), true
	case "ok":
		return s.answer.ok(), true
	case "step":
		return string(s.step), true
	case "body":
		return s.body, true
	case "now":
		return time.Now(), true
	case "error_code":
		return s.code, true
	case "username":
		return s.username, true
	case "headers":
		if s.headers == nil {
			s.headers = make(map[string]string, len(s.answer.Header))
			for name, values := range s.answer.Header {
				s.headers[strings.ToLower(name)] = strings.Join(values, ", ")
			}
		}
		return s.headers, true
	}
	return nil, false
}

// Read evaluates what the definition says of an answer. Where an expression
// fails, the answer is not this API's, unless it says so itself.
func (c custom) Read(step Step, answer Answer) Reading {
	reading, body := readJSON[any](answer)
	malformed := reading.State != ""
	if c.Body != nil && !malformed {
		reading.State, reading.Why = c.misfit(body)
	}
	if body == nil && !malformed && len(answer.Body) > 0 {
		body = map[string]any{} // `null` says as little as `{}`
	}
	r := reader{scope: scope{step: step, answer: answer, body: withoutNulls(body)}, reading: &reading}
	if r.misfit = reading.State != ""; r.misfit && malformed {
		r.body = nil
	}
	missing := ""
	if step == Login {
		reading.Token, missing = c.token(answer, body)
	}
	c.describe(&r)
	if answer.ok() && step == Check {
		c.identify(&r)
	}
	if reading.State == "" {
		reading.State, reading.Why = c.meaning(&r, missing)
	}
	if step == Login && answer.ok() && reading.State.Verdict() != Refused && r.code == "" {
		reading.Message, reading.OperationID = "", "" // a session is in there, perhaps elsewhere than described
	}
	return reading
}

// misfit finds what of a body is not of its documented type.
func (c custom) misfit(body any) (state State, why string) {
	path, instead := c.Body.Misfit(body)
	switch {
	case instead == "":
		return "", ""
	case len(path) == 0:
		words := c.Body.Words()
		article := "a "
		if words != "string" && words != "number" && words != "bool" {
			article = "an "
		}
		return InvalidResponse, "its body is a JSON " + instead + " instead of " + article + words
	default:
		return InvalidResponse, "its field `" + strings.Join(path, ".") + "` has the wrong type, a JSON " + instead
	}
}

// withoutNulls removes the fields that are null: they say as little as those
// that are absent.
func withoutNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			if field == nil {
				delete(value, name)
				continue
			}
			withoutNulls(field)
		}
	case []any:
		for _, item := range value {
			withoutNulls(item)
		}
	}
	return value
}

// reader evaluates expressions on one answer. The first that fails says so in
// the reading.
type reader struct {
	scope
	reading *Reading
	misfit  bool // the body is malformed, so that expressions may fail
}

// eval returns an expression's value, nil when the answer does not say it.
func (r *reader) eval(e *config.Expression) ref.Val {
	if e == nil {
		return nil
	}
	value, err := e.Eval(&r.scope)
	switch {
	case err != nil && !errors.Is(err, config.ErrAbsent):
		r.fail(e, err.Error())
		return nil
	case err != nil:
		return nil
	}
	if optional, ok := value.(*types.Optional); ok {
		if !optional.HasValue() {
			return nil
		}
		value = optional.GetValue()
	}
	if value.Type() == types.NullType {
		return nil
	}
	return value
}

func (r *reader) fail(e *config.Expression, why string) {
	if !r.misfit && r.reading.State == "" {
		r.reading.State, r.reading.Why = InvalidResponse, "the API's `"+e.Name+"` "+why
	}
}

const wrongType = "has another type on this answer than it should"

func (r *reader) text(e *config.Expression) string {
	switch value := r.eval(e).(type) {
	case nil:
		return ""
	case types.String:
		return string(value)
	default:
		r.fail(e, wrongType)
		return ""
	}
}

// code is text, or a number as people write it.
func (r *reader) codeText(e *config.Expression) string {
	switch value := r.eval(e).(type) {
	case nil:
		return ""
	case types.String:
		return string(value)
	case types.Int:
		return strconv.FormatInt(int64(value), 10)
	case types.Double:
		return strconv.FormatFloat(float64(value), 'f', -1, 64)
	default:
		r.fail(e, wrongType)
		return ""
	}
}

// texts returns nil when the answer does not say them.
func (r *reader) texts(e *config.Expression) []string {
	value := r.eval(e)
	if value == nil {
		return nil
	}
	list, ok := value.(traits.Lister)
	if !ok {
		r.fail(e, wrongType)
		return nil
	}
	size, _ := list.Size().(types.Int)
	all := make([]string, 0, size)
	for i := range size {
		item, ok := list.Get(i).(types.String)
		if !ok {
			r.fail(e, wrongType)
			return nil
		}
		all = append(all, string(item))
	}
	return all
}

// clock is a timestamp, or Unix seconds.
func (r *reader) clock(e *config.Expression) time.Time {
	switch value := r.eval(e).(type) {
	case nil:
	case types.Timestamp:
		return unixMilli(float64(value.UnixMilli()))
	case types.Int:
		return unixMilli(float64(value) * 1000)
	case types.Double:
		return unixMilli(float64(value) * 1000)
	default:
		r.fail(e, wrongType)
	}
	return time.Time{}
}

func (r *reader) holds(e *config.Expression) bool {
	switch value := r.eval(e).(type) {
	case nil:
	case types.Bool:
		return bool(value)
	default:
		r.fail(e, wrongType)
	}
	return false
}

// describe reads what answers of any status and step may say.
func (c custom) describe(r *reader) {
	r.reading.Code = r.codeText(c.Answer.ErrorCode)
	r.code = r.reading.Code[:min(len(r.reading.Code), config.MaxName)]
	r.reading.Message = r.text(c.Answer.Message)
	r.reading.OperationID = r.text(c.Answer.OperationID)
	if c.Answer.ServerTime != nil {
		r.reading.ServerTime = r.clock(c.Answer.ServerTime)
	} else {
		r.reading.ServerTime = dateHeader(r.answer.Header)
	}
	if r.answer.ok() && r.step != Logout {
		r.reading.Expiry = r.clock(c.Answer.Expiry)
	}
}

// identify reads who is logged in.
func (c custom) identify(r *reader) {
	username := r.text(c.Answer.Username)
	if username == "" {
		return
	}
	r.username = username[:min(len(username), config.MaxName)]
	r.reading.Identity = &Identity{
		Username:      username,
		Organization:  r.text(c.Answer.Organization),
		Enterprise:    r.text(c.Answer.Enterprise),
		Version:       r.text(c.Answer.Version),
		Roles:         r.texts(c.Answer.Roles),
		Organizations: r.texts(c.Answer.Organizations),
	}
}

// meaning reads a well-formed or empty body: what the definition says comes
// first, and what no success can lack after that.
func (c custom) meaning(r *reader, missing string) (meaning State, why string) {
	if state := c.ErrorCodes[r.code]; state != "" {
		return State(state), ""
	}
	for i := range c.Rules {
		rule := &c.Rules[i]
		if r.holds(rule.When) {
			return State(rule.State), rule.Why
		}
		if r.reading.State != "" { // it failed
			return r.reading.State, r.reading.Why
		}
	}
	switch {
	case !r.answer.ok():
		return "", ""
	case missing != "":
		return InvalidResponse, "it has no session in " + missing
	case r.step != Check:
		return Valid, ""
	case c.Answer.Authenticated != nil && !r.holds(c.Answer.Authenticated):
		if r.reading.State != "" {
			return r.reading.State, r.reading.Why
		}
		return SessionExpired, "it says that nobody is logged in"
	case len(r.answer.Body) == 0 && !r.reading.Identity.named():
		return SessionExpired, "its body is empty, so it names no user"
	case !r.reading.Identity.named():
		return SessionExpired, "it names no user"
	}
	return Valid, ""
}
