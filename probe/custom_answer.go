package probe

import (
	"strings"

	"session_exporter/config"
)

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
