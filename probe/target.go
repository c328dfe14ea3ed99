package probe

import (
	"context"
	"time"

	"session_exporter/config"
	"session_exporter/probe/classify"
	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// target is an endpoint with everything that judging its responses requires. It is
// immutable and safe for concurrent use.
type target struct {
	endpoint      *config.Endpoint
	api           sessionapi.API
	sequencer     sessionapi.Sequencer // the API, if its logins or checks may take several requests
	sessionHeader string               // of the API
	client        *transport.Client
	credential    *credential
	guardKey      string // the guard's name for this endpoint
	secrets       secretSets
	oneShot       bool // see Manager.Once
}

// call returns the request of a step that needs no account.
func (t *target) call(step sessionapi.Step) sessionapi.Request {
	return t.api.Request(step, sessionapi.Account{Options: t.endpoint.Login})
}

func (t *target) prepare(r request) *exchange {
	t.secrets.learnBody(r, t.credential.Username, t.credential.lastRead().secret)
	return newExchange(t.client, r)
}

// Session is a session that a login established.
type Session struct {
	token       secret.Secret
	cookies     sessionapi.Jar // parts of it; nil without any
	kept        sessionapi.Jar // other cookies that its requests carry, such as a load balancer's
	established time.Time
	endpoint    *config.Endpoint // whose prober released it
	accepted    bool             // by a check
	refused     bool             // by a check, and not logged out of since
	forbidden   bool             // by a check, after it was accepted
	// unwanted is set for a session of a login that failed. It is held only until
	// it can be logged out.
	unwanted bool
	// remote is when it was logged in at the other site of a pairing, zero if it was not.
	remote time.Time
}

// newSession returns the session that a login established.
func newSession(api sessionapi.API, in sessionapi.Interpretation) *Session {
	s := &Session{token: in.Token, established: time.Now()}
	if keeper, ok := api.(sessionapi.CookieAuthorizer); ok {
		s.setCookies(keeper, in.Cookies)
	}
	return s
}

// setCookies applies the cookies that a response sets or deletes.
func (s *Session) setCookies(keeper sessionapi.CookieAuthorizer, set []sessionapi.Cookie) {
	var own, others []sessionapi.Cookie
	for _, c := range set {
		if keeper.IsSessionCookie(c.Name) {
			own = append(own, c)
		} else {
			others = append(others, c)
		}
	}
	s.cookies, s.kept = withCookies(s.cookies, own), withCookies(s.kept, others)
}

func withCookies(jar sessionapi.Jar, set []sessionapi.Cookie) sessionapi.Jar {
	if len(set) == 0 {
		return jar // may be nil
	}
	jar = jar.With(set)
	return jar[:min(len(jar), maxKeptCookies)]
}

// maxKeptCookies limits each of a session's two jars (RFC 6265, 6.1). Otherwise they would
// grow if each response set cookies for other paths.
const maxKeptCookies = 50

// update records the response to a check of the session. It ignores the cookies of a
// response that refuses or forbids the session: they may belong to another one.
func (s *Session) update(api sessionapi.API, o *outcome) {
	s.accepted = s.accepted || o.state == sessionapi.Valid || o.state == sessionapi.Unexpected
	keeper, ok := api.(sessionapi.CookieAuthorizer)
	if !ok || len(o.interpretation.Cookies) == 0 || o.state == sessionapi.Forbidden || o.state.Verdict() == sessionapi.Refused {
		return
	}
	before := s.cookies
	s.setCookies(keeper, o.interpretation.Cookies)
	s.token = keeper.ReplaceCookies(s.token, before, s.cookies)
}

// authorizeSession returns the authorization of a session that a login established.
func (t *target) authorizeSession(s *Session) sessionapi.Authorization {
	var authorization sessionapi.Authorization
	if a, ok := t.api.(sessionapi.CookieAuthorizer); ok && s.cookies != nil {
		authorization = a.AuthorizeWith(s.token, s.cookies)
	} else {
		authorization = t.authorize(s.token)
	}
	if s.kept != nil {
		authorization.Cookies = authorization.Cookies.With(s.kept)
	}
	return authorization
}

// authorize returns the authorization of a session, or of a token in its place.
func (t *target) authorize(token secret.Secret) sessionapi.Authorization {
	if a, ok := t.api.(sessionapi.Authorizer); ok {
		return a.Authorize(token)
	}
	return sessionapi.InHeader(t.sessionHeader, token)
}

// interpret interprets a response. The response to a login may give a session whatever its
// status, and even if its body cannot be read.
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
	incomplete, api := x.IsIncomplete(), t.api
	if x.part != nil {
		api = x.part.sequence
		defer func() { x.Secrets = append(x.Secrets, x.part.sequence.Secrets()...) }()
	}
	if keeper, ok := api.(sessionapi.CookieAuthorizer); ok {
		defer func(set []sessionapi.Cookie) {
			x.interpretation.Cookies = set
			for i := range set {
				x.Secrets = append(x.Secrets, set[i].Value)
			}
		}(keeper.SessionCookies(x.Response))
	}
	if incomplete && x.StatusDecides() {
		x.interpretation.Why = "its body cannot be read"
	}
	if incomplete && x.step != sessionapi.Login {
		return
	}
	in := api.Interpret(x.step, x.Response)
	if in.State == sessionapi.InvalidResponse && in.Message == "" && !x.Response.OK() && !x.secretBody && sessionapi.IsText(x.Response.Body) {
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

// sessionIn returns the session that the response to a check establishes without a login,
// nil if it establishes none or the API has no logout.
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
	return newSession(t.api, in)
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
	t.interpret(x)
	return x.loggedOut(x.interpretation)
}

// finish classifies an interpreted exchange, adds it to the result and releases it. For
// clean, see hide.
func (t *target) finish(r *Result, x *exchange, clean *uint64) *outcome {
	o := t.newOutcome(x, clean)
	t.record(r, o)
	x.release()
	return o
}

func (t *target) newOutcome(x *exchange, clean *uint64) *outcome {
	o := &outcome{
		state: x.state(t.endpoint.Auth), endpoint: t.endpoint,
		exchange: x, interpretation: x.interpretation,
	}
	if x.part.precedesSecret() && (o.state == sessionapi.Forbidden || o.state.Verdict() == sessionapi.Refused) {
		o.state, o.interpretation.Why = sessionapi.InvalidResponse, "no secret had been sent yet"
	}
	if x.part.followsSecret() && o.state == sessionapi.Forbidden && x.interpretation.State != sessionapi.Forbidden {
		o.state = sessionapi.SessionExpired // as for a login, a 403 alone may mean a wrong password
	}
	t.secrets.learnExchange(x, t.credential.lastRead().secret)
	masker := t.secrets.masker
	if o.state == sessionapi.Valid && x.step == sessionapi.Check && x.part.isLast() { // compared before anything is masked or cut
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
