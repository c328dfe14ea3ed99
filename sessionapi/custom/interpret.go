package custom

import (
	"strings"

	"session_exporter/sessionapi"
)

// Interpret implements sessionapi.API. If an expression fails, the response is not from
// this API, unless an error code or a rule has a state for it.
func (a *API) Interpret(step sessionapi.Step, response sessionapi.Response) sessionapi.Interpretation {
	in, body := sessionapi.DecodeJSON[any](response)
	malformed := in.State != ""
	if a.body != nil && !malformed {
		in.State, in.Why = a.mismatch(body)
	}
	if body == nil && !malformed && len(response.Body) > 0 {
		body = map[string]any{} // `null` means the same as `{}`
	}
	ev := evaluator{scope: scope{step: step, response: response, body: withoutNulls(body)}, in: &in}
	ev.malformed = in.State != ""
	if malformed {
		ev.body = nil
	}
	missing := ""
	if step == sessionapi.Login {
		in.Token, missing, in.Lost = a.token(response, body)
	}
	a.describe(&ev)
	if response.OK() && step == sessionapi.Check {
		a.identify(&ev)
	}
	if in.State == "" {
		in.State, in.Why = a.meaning(&ev, missing)
	}
	if step == sessionapi.Login && (response.OK() || in.Lost) && in.State.Verdict() != sessionapi.Refused && ev.code == "" {
		in.Message, in.OperationID = "", "" // they may contain a session in a place that the definition does not name
	}
	return in
}

// mismatch finds a part of a body that is not of its documented type.
func (a *API) mismatch(body any) (state sessionapi.State, why string) {
	path, got := a.body.findMismatch(body)
	switch {
	case got == "":
		return "", ""
	case len(path) == 0:
		words := a.body.words()
		article := "a "
		if words != "string" && words != "number" && words != "bool" {
			article = "an "
		}
		return sessionapi.InvalidResponse, "its body is a JSON " + got + " instead of " + article + words
	default:
		return sessionapi.InvalidResponse, "its field `" + strings.Join(path, ".") + "` has the wrong type, a JSON " + got
	}
}

// withoutNulls removes the fields that are null: they mean the same as absent ones.
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

// describe interprets the properties that any response may have, whatever its status and
// step.
func (a *API) describe(ev *evaluator) {
	ev.in.Code = ev.codeText(a.answer.errorCode)
	ev.code = ev.in.Code[:min(len(ev.in.Code), maxName)]
	ev.in.Message = ev.text(a.answer.message)
	ev.in.OperationID = ev.text(a.answer.operationID)
	if a.answer.serverTime != nil {
		ev.in.ServerTime = ev.clock(a.answer.serverTime)
	} else {
		ev.in.ServerTime = sessionapi.DateHeader(ev.response.Header)
	}
	if ev.response.OK() && ev.step != sessionapi.Logout {
		ev.in.Expiry = ev.clock(a.answer.expiry)
	}
}

// identify interprets the user of the session.
func (a *API) identify(ev *evaluator) {
	username := ev.text(a.answer.username)
	if username == "" {
		return
	}
	ev.username = username[:min(len(username), maxName)]
	ev.in.Identity = &sessionapi.Identity{
		Username:      username,
		Organization:  ev.text(a.answer.organization),
		Enterprise:    ev.text(a.answer.enterprise),
		Version:       ev.text(a.answer.version),
		Roles:         ev.texts(a.answer.roles),
		Organizations: ev.texts(a.answer.organizations),
	}
}

// meaning interprets a well-formed or empty body: first by the error codes and rules of
// the definition, then by what a success must have. missing describes the part of the
// session that a login lacks.
func (a *API) meaning(ev *evaluator, missing string) (meaning sessionapi.State, why string) {
	if state := a.errorCodes[ev.in.Code]; state != "" {
		return state, ""
	}
	for i := range a.rules {
		rule := &a.rules[i]
		if ev.holds(rule.when) {
			ev.in.ByRule = true
			return rule.state, rule.why
		}
		if ev.in.State != "" { // it failed
			return ev.in.State, ev.in.Why
		}
	}
	switch {
	case !ev.response.OK():
		return "", ""
	case missing != "":
		return sessionapi.InvalidResponse, "it has no session in " + missing
	case ev.step != sessionapi.Check:
		return sessionapi.Valid, ""
	case a.answer.authenticated != nil && !ev.holds(a.answer.authenticated):
		if ev.in.State != "" {
			return ev.in.State, ev.in.Why
		}
		return sessionapi.SessionExpired, "its `authenticated` is false"
	case len(ev.response.Body) == 0 && !ev.in.Identity.Named():
		return sessionapi.SessionExpired, "its body is empty, so it names no user"
	case !ev.in.Identity.Named():
		return sessionapi.SessionExpired, "it names no user"
	}
	return sessionapi.Valid, ""
}
