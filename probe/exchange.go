package probe

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"session_exporter/probe/classify"
	"session_exporter/probe/transport"
	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// exchange is one request of a probe and its response.
type exchange struct {
	transport.Exchange
	step           sessionapi.Step
	authorization  sessionapi.Authorization
	interpretation sessionapi.Interpretation // of the response, unmasked
	secretBody     bool                      // see sessionapi.Request

	// interpretToken interprets the response to a token request; nil for a request to
	// the API.
	interpretToken func(*exchange)
	exchanged      *exchangedToken // nil unless a token request exchanges a token
	part           *part           // nil for a login or a check of one request
}

// exchangedToken describes a refresh token or API token in a token request.
type exchangedToken struct {
	issuedAt time.Time // when it replaced the configured token; zero if it is the configured one
	expires  time.Time // zero if unknown
}

// part is the place of a request in a login or a check of several requests. The methods of
// a nil part are those of a login or a check of one request.
type part struct {
	sequence sessionapi.Sequence // nil once the exchange is released
	step     sessionapi.Step
	at, of   int
	secret   bool // the request carries the account's secret
	// afterSecret is set if an earlier request carried it.
	afterSecret bool
}

// clone returns a copy that outlives the release of its exchange.
func (p *part) clone() *part {
	if p == nil {
		return nil
	}
	own := *p
	return &own
}

func (p *part) isLast() bool { return p == nil || p.at == p.of }

// followsSecret reports whether a request of a login comes after the one with the secret,
// which the server has not refused.
func (p *part) followsSecret() bool {
	return p != nil && p.step == sessionapi.Login && p.afterSecret && !p.secret
}

// precedesSecret reports whether a request of a login comes before the one with the secret.
func (p *part) precedesSecret() bool {
	return p != nil && p.step == sessionapi.Login && !p.afterSecret && !p.secret
}

// request is a request to an API, or to an authorization server, and its authorization.
type request struct {
	step          sessionapi.Step
	call          sessionapi.Request
	base          *url.URL
	authorization sessionapi.Authorization
	lease         *transport.Lease
	close         bool          // closes the connection after this exchange
	once          bool          // must not be sent again
	maxBodyWait   time.Duration // for a body that is not needed to judge the response
	part          *part         // nil for a login or a check of one request
}

// isAnonymous reports whether a request carries nothing of its session, because no cookie
// matches its path. Such a logout cannot end the session, whatever the response.
func (r *request) isAnonymous() bool {
	a := r.authorization
	return len(a.Cookies) > 0 && len(a.Headers) == 0 && r.call.Fill == nil && a.Cookies.Header(r.call.Below(r.base)) == ""
}

// newExchange returns the exchange of a request, ready to be sent.
func newExchange(client *transport.Client, r request) *exchange {
	if r.call.Fill != nil {
		r.call = r.call.Fill(r.authorization.Token)
	}
	sent := transport.Request{
		Method: r.call.Method, URL: r.call.Below(r.base), Header: r.call.Header,
		Body: r.call.Body, ContentType: r.call.ContentType, Authorization: r.authorization.Headers,
		Lease: r.lease, Close: r.close, Once: r.once,
		// A logout that is not repeated would leave its session behind if the appliance
		// closed the kept connection. A login is not repeated: a refused one would count twice.
		Idempotent:  r.step == sessionapi.Logout,
		MaxBodyWait: r.maxBodyWait,
	}
	if r.call.Shown != "" {
		sent.Shown = sessionapi.Request{Path: r.call.Shown}.Below(r.base)
	}
	if cookies := r.authorization.Cookies.Header(sent.URL); cookies != "" {
		sent.Authorization = append(slices.Clip(sent.Authorization), sessionapi.AuthHeader{Name: "Cookie", Value: secret.New(cookies)})
	}
	return &exchange{Exchange: client.Prepare(sent), step: r.step, authorization: r.authorization, part: r.part, secretBody: r.call.SecretBody}
}

func (x *exchange) state(auth sessionapi.Auth) sessionapi.State {
	return classify.State(&x.Exchange, x.carriesSecret(auth), x.interpretation)
}

// carriesSecret reports whether the request makes the server check the account's secret:
// as a login, as a token request, or as a check with HTTP Basic.
func (x *exchange) carriesSecret(auth sessionapi.Auth) bool {
	if x.part != nil {
		return x.part.secret
	}
	return x.step == sessionapi.Login || x.step == sessionapi.Token || x.step == sessionapi.Check && auth == sessionapi.AuthBasic
}

// loggedOut reports whether a logout was accepted.
func (x *exchange) loggedOut(in sessionapi.Interpretation) bool {
	return x.Err == nil && (x.Response.OK() || in.Succeeded)
}

// failure describes why there was no complete response.
func (x *exchange) failure(m mask.Masker) string {
	text := transport.Cause(x.Err).Error()
	if quoted := strings.IndexByte(text, '"'); quoted >= 0 && (x.step == sessionapi.Login || x.step == sessionapi.Token) && !x.Written.IsZero() {
		// The error quotes malformed HTTP, or HTTP/2's reason. The quotation may contain the
		// new session, which no masker knows yet.
		text = text[:quoted] + transport.NotShown
	}
	return sessionapi.CleanText(m.Mask(text), sessionapi.MaxMessage)
}

// stage describes how far an exchange got.
func (x *exchange) stage() string {
	switch {
	case !x.FirstByte.IsZero():
		return "the response began but was not completed"
	case !x.Written.IsZero() && x.Reused:
		return "the request was sent on a kept connection, and no response arrived"
	case !x.Written.IsZero():
		return "the request was sent, and no response arrived"
	case x.InHandshake:
		return "the connection was made, but the TLS handshake was not completed"
	default:
		return "no connection was made"
	}
}

func (x *exchange) trace(m mask.Masker) *Trace {
	gaveSession := (x.step == sessionapi.Login || x.step == sessionapi.Token) && (x.Response.OK() || x.interpretation.Lost || x.interpretation.Succeeded)
	t := x.Trace(m, gaveSession || x.secretBody)
	switch {
	case classify.IsTimeout(x.Err):
		t.Failure = x.stage()
	case x.Err != nil:
		t.Failure = x.failure(m)
	}
	return t
}

// release drops everything that explanations do not need.
func (x *exchange) release() {
	x.Release()
	x.interpretation, x.authorization, x.interpretToken = sessionapi.Interpretation{}, sessionapi.Authorization{}, nil
	if x.part != nil {
		x.part.sequence = nil // which has secrets
	}
}

// secretSets are the secrets that an appliance may quote: those that it received or
// issued, and those of its credential. Both sets remember a secret for a day after its last
// use.
type secretSets struct {
	credential, origin *mask.Secrets
	masker             mask.Masker // of both
}

// learnExchange adds the secrets of an exchange, and the password as it was last read.
func (s secretSets) learnExchange(x *exchange, password secret.Secret) {
	set := s.origin
	if x.step == sessionapi.Token { // the authorization server is the credential's
		set = s.credential
	}
	set.Add(x.authorization.Secrets...)
	for _, h := range x.authorization.Headers {
		set.AddHeader(h.Value)
	}
	for _, cookies := range x.Header["Cookie"] {
		set.AddHeader(secret.New(cookies))
	}
	set.AddHeader(x.Secrets...)
	set.Add(x.interpretation.Token)
	s.credential.Add(password)
}

// learnBody adds the texts in a login's body, except the username: the password as it is
// in the body, login options, and literals of described APIs. Ordinary words are omitted,
// because most of these values are not secret.
func (s secretSets) learnBody(r request, username string, password secret.Secret) {
	if r.step != sessionapi.Login || r.call.Body == nil {
		return
	}
	for _, text := range mask.BodyTexts(r.call.Body, r.call.ContentType) {
		named := username != "" && strings.Contains(text, username) && !strings.Contains(text, password.Reveal())
		if !named && secret.MayBeSecret(text) {
			s.origin.Add(secret.New(text))
		}
	}
}
