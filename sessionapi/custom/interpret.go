package custom

import (
	"strings"

	"session_exporter/sessionapi"
)

// Interpret implements sessionapi.API. If an expression fails, the state is
// InvalidResponse.
func (a *API) Interpret(step sessionapi.Step, response sessionapi.Response) sessionapi.Interpretation {
	if step == sessionapi.Logout && a.logout != nil && a.logout[0].success != nil {
		return a.interpret(step, response, a.begin(step))
	}
	return a.interpret(step, response, nil)
}

// interpret interprets the response to the current request of seq, or to a single request
// if seq is nil.
func (a *API) interpret(step sessionapi.Step, response sessionapi.Response, seq *sequence) sessionapi.Interpretation {
	in, body := sessionapi.DecodeJSON[any](response)
	malformed := in.State != ""
	if a.body != nil && !malformed {
		in.State, in.Why = a.mismatch(body)
	}
	if body == nil && !malformed && len(response.Body) > 0 {
		body = map[string]any{} // `null` means the same as `{}`
	}
	ev := evaluator{scope: scope{step: step, response: response, body: withoutNulls(body), seq: seq}, in: &in}
	ev.malformed = in.State != ""
	if malformed {
		ev.body = nil
	}
	missing, found := "", false
	switch {
	case seq != nil:
		missing, found = seq.collect(&ev, body)
		in.Succeeded = ev.ok()
	case step == sessionapi.Login:
		in.Token, missing, in.Lost = a.token(response, body)
		if missing != "" {
			missing = "it has no session in " + missing
		}
	}
	a.describe(&ev)
	if ev.ok() && step == sessionapi.Check && ev.isLast() {
		a.identify(&ev)
	}
	switch {
	case in.State == "":
		in.State, in.Why = a.meaning(&ev, missing)
	case malformed && seq != nil:
		a.acceptNonJSON(&ev, missing, found)
	}
	if seq != nil && step == sessionapi.Login {
		in.Token, in.Lost = seq.token(in.State == sessionapi.Valid)
	}
	if step == sessionapi.Login && (ev.ok() || in.Lost) && in.State.Verdict() != sessionapi.Refused && ev.code == "" {
		in.Message, in.OperationID = "", "" // they may contain a session in a place that the definition does not name
	}
	return in
}

// acceptNonJSON interprets a response of a sequence whose body is not JSON, such as a login
// form: a rule may have a state for it, or its headers and cookies may have all that is
// needed.
func (a *API) acceptNonJSON(ev *evaluator, missing string, found bool) {
	in := ev.in
	state, why := in.State, in.Why
	in.State, in.Why = "", ""
	in.State, in.Why = a.meaning(ev, missing)
	switch {
	case in.ByRule:
	case in.State == sessionapi.Valid && (found || ev.step == sessionapi.Logout):
		in.Page = false
	default:
		in.State, in.Why = state, why
	}
}

// mismatch finds a part of a body that is not of its documented type.
func (a *API) mismatch(body any) (state sessionapi.State, why string) {
	path, got := a.body.findMismatch(body)
	switch {
	case got == "":
		return "", ""
	case len(path) == 0:
		return sessionapi.InvalidResponse, "its body is a JSON " + got + " instead of " + a.body.jsonName()
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
	ev.in.Code, _ = ev.scalar(a.answer.errorCode)
	ev.code = ev.in.Code[:min(len(ev.in.Code), maxRuleText)]
	ev.in.Message = ev.text(a.answer.message)
	ev.in.OperationID = ev.text(a.answer.operationID)
	if a.answer.serverTime != nil {
		ev.in.ServerTime = ev.clock(a.answer.serverTime)
	} else {
		ev.in.ServerTime = sessionapi.DateHeader(ev.response.Header)
	}
	if ev.ok() && ev.step != sessionapi.Logout {
		a.readExpiry(ev)
		if ev.seq != nil {
			ev.seq.keepExpiry(ev.in)
		}
	}
}

// readExpiry interprets the expiry. If the response has several, the earliest counts.
func (a *API) readExpiry(ev *evaluator) {
	all := ev.clocks(a.answer.expiry)
	first := -1
	for i, at := range all {
		if !at.IsZero() && (first < 0 || at.Before(all[first])) {
			first = i
		}
	}
	if first < 0 {
		return
	}
	ev.in.Expiry = all[first]
	if of := ev.names(a.answer.expiryOf); first < len(of) {
		ev.in.ExpiryOf = of[first]
	}
}

// identify interprets the user of the session.
func (a *API) identify(ev *evaluator) {
	username := ev.text(a.answer.username)
	if username == "" {
		return
	}
	ev.username = username[:min(len(username), maxRuleText)]
	ev.in.Identity = &sessionapi.Identity{
		Username:      username,
		Organization:  ev.text(a.answer.organization),
		Enterprise:    ev.text(a.answer.enterprise),
		Version:       ev.text(a.answer.version),
		Roles:         ev.texts(a.answer.roles),
		Organizations: ev.texts(a.answer.organizations),
	}
}

// meaning interprets a response: first by the error codes and rules of the definition, then
// by what a success must have. missing describes what the response lacks for a success.
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
	case !ev.ok():
		return "", ""
	case missing != "":
		return sessionapi.InvalidResponse, missing
	case ev.step != sessionapi.Check || !ev.isLast():
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
