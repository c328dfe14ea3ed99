package probe

import (
	"context"

	"session_exporter/config"
	"session_exporter/probe/classify"
	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// target is an endpoint with what is needed to judge its responses. It does not change, and
// is safe for concurrent use.
type target struct {
	endpoint      *config.Endpoint
	api           sessionapi.API
	sessionHeader string // of the API
	client        *transport.Client
	credential    *credential
	guardKey      string // the guard's name of this appliance
	secrets       secretSets
	once          bool // see Manager.Once
}

// call returns the request of a step that needs no account.
func (t *target) call(step sessionapi.Step) sessionapi.Request {
	return t.api.Request(step, sessionapi.Account{Options: t.endpoint.Login})
}

// prepare returns the exchange of a request.
func (t *target) prepare(r request) *exchange {
	t.secrets.learnBody(r, t.credential.Username, t.credential.lastRead().secret)
	return newExchange(t.client, r)
}

// authorizeSession returns the authorization of a session that a login established.
func (t *target) authorizeSession(s *Session) sessionapi.Authorization {
	if a, ok := t.api.(sessionapi.CookieAuthorizer); ok && s.cookies != nil {
		return a.AuthorizeWith(s.token, s.cookies)
	}
	return t.authorize(s.token)
}

// authorize returns the authorization of a session, or of a token in its place.
func (t *target) authorize(token secret.Secret) sessionapi.Authorization {
	if a, ok := t.api.(sessionapi.Authorizer); ok {
		return a.Authorize(token)
	}
	return sessionapi.InHeader(t.sessionHeader, token)
}

// interpret interprets a response. A login may establish a session whatever its status, and
// even if its body cannot be read.
func (t *target) interpret(x *exchange) {
	switch {
	case x.interpretToken != nil:
		x.interpretToken(x)
		return
	case x.Response.Status == 0:
		return
	case x.Response.Header == nil:
		// A refusal establishes no session.
		x.interpretation = sessionapi.Interpretation{Why: "its headers cannot be read", Lost: !classify.MayHaveChecked(x.Response.Status)}
		return
	}
	incomplete := x.IsIncomplete()
	if keeper, ok := t.api.(sessionapi.CookieAuthorizer); ok {
		defer func(set []sessionapi.Cookie) {
			x.interpretation.Cookies = set
			for i := range set {
				x.Secrets = append(x.Secrets, set[i].Value)
			}
		}(keeper.SessionCookies(x.Response))
	}
	if incomplete && classify.StatusDecides(x.Response.Status) {
		x.interpretation.Why = "its body cannot be read"
	}
	if incomplete && x.step != sessionapi.Login {
		return
	}
	in := t.api.Interpret(x.step, x.Response)
	if in.State == sessionapi.InvalidResponse && in.Message == "" && !x.Response.OK() && sessionapi.IsText(x.Response.Body) {
		in.Message = string(x.Response.Body)
	}
	switch {
	case !sessionapi.HeaderSafe(in.Token):
		x.interpretation = sessionapi.Interpretation{State: sessionapi.InvalidResponse, Why: "its session token has characters that no HTTP header can carry", Lost: true}
	case incomplete:
		x.interpretation.Token, x.interpretation.Lost = in.Token, in.Lost
	default:
		x.interpretation = in
	}
}

// sessionIn returns the session that the response to a check establishes although nothing
// logged in, nil without one or if the API has no logout.
func (t *target) sessionIn(x *transport.Exchange) *Session {
	if x.Response.Header == nil || t.call(sessionapi.Logout).Method == "" {
		return nil
	}
	in := t.api.Interpret(sessionapi.Login, x.Response)
	if keeper, ok := t.api.(sessionapi.CookieAuthorizer); ok {
		in.Cookies = keeper.SessionCookies(x.Response)
	}
	if in.Token.IsZero() || !sessionapi.HeaderSafe(in.Token) {
		return nil
	}
	return newSession(in)
}

// endSession logs out of a session that is not held, and reports whether the appliance
// accepted that. lease may be nil.
func (t *target) endSession(ctx context.Context, s *Session, client *transport.Client, lease *transport.Lease) bool {
	ctx, cancel := context.WithTimeout(ctx, t.endpoint.Timeout)
	defer cancel()
	x := newExchange(client, request{
		step: sessionapi.Logout, call: t.call(sessionapi.Logout), base: t.endpoint.URL,
		authorization: t.authorizeSession(s), lease: lease,
	})
	x.Send(ctx)
	defer x.release()
	return x.loggedOut()
}

// finish classifies an exchange that was interpreted, adds it to the result and releases
// it. clean is as for hide.
func (t *target) finish(r *Result, x *exchange, clean *uint64) *outcome {
	o := t.newOutcome(x, clean)
	t.record(r, o)
	x.release()
	return o
}

// newOutcome returns the outcome of an exchange.
func (t *target) newOutcome(x *exchange, clean *uint64) *outcome {
	o := &outcome{
		state: x.state(x.interpretation, t.endpoint.Auth), endpoint: t.endpoint,
		exchange: x, interpretation: x.interpretation,
	}
	t.secrets.learnExchange(x, t.credential.lastRead().secret)
	masker := t.secrets.masker
	if o.state == sessionapi.Valid && x.step == sessionapi.Check { // compared before anything is masked or cut
		o.rolesExpected = rolesExpected(t.endpoint.Expect, x.interpretation.Identity)
		if all := differences(t.endpoint.Expect, x.interpretation.Identity); len(all) > 0 {
			o.state, o.differences = sessionapi.Unexpected, describe(all, masker, t.endpoint)
		}
	}
	hide(&o.interpretation, masker, t.endpoint, clean)
	o.interpretation.Clean()
	if o.state == sessionapi.RateLimited || o.failedWithoutVerdict() {
		o.retryAfter = transport.RetryAfter(x.Response.Header)
	}
	if x.Err != nil {
		o.failure = x.failure(masker)
	}
	return o
}

// record adds an exchange to the result.
func (t *target) record(r *Result, o *outcome) {
	x := o.exchange
	if x.Written.After(r.LastRequest) {
		r.LastRequest = x.Written
	}
	if !x.Unsent {
		r.Attempted = true
		step := StepResult{
			Step: x.step, Method: x.Method, URL: x.URL.Redacted(), NotSent: x.Written.IsZero() && x.Response.Status == 0,
			Status: x.Response.Status, Code: o.interpretation.Code, OpID: o.interpretation.OperationID,
			Duration: x.End.Sub(x.Start), Phases: x.Phases,
		}
		if r.traced || o.state != sessionapi.Valid && o.state != sessionapi.Unexpected {
			step.Trace = x.trace(t.secrets.masker)
		}
		r.Steps = append(r.Steps, step)
	}
	if x.step != sessionapi.Token && !x.CertificateExpiry.IsZero() {
		r.CertificateExpiry = x.CertificateExpiry
	}
	if skew, known := x.Skew(o.interpretation.ServerTime); known {
		r.ClockSkew = &skew
	}
}
