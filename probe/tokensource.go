package probe

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// tokenSource exchanges a client secret for bearer tokens (OAuth 2.0, RFC 6749).
// All endpoints of an account share a token until it expires or is refused.
type tokenSource struct {
	settings *config.OAuth2
	endpoint *url.URL
	client   *transport.Client
	params   []secret.Secret // values of endpoint_params, as they are and as a form has them

	// fetching has capacity 1: some servers revoke a token when they issue another.
	fetching chan struct{}

	mu      sync.Mutex    // guards the fields below
	secret  secret.Secret // that the token was issued for
	token   secret.Secret // zero if none is held, or it was refused
	expires time.Time     // zero if unknown: the token is used until it is refused
	renewAt time.Time     // before it expires; zero if that is unknown

	// A Retry-After of the authorization server applies to all endpoints.
	limited    *outcome // of the response that has it
	retryUntil time.Time
}

func newTokenSource(settings *config.OAuth2, dial transport.DialFunc) (*tokenSource, error) {
	endpoint, err := url.Parse(settings.TokenURL)
	if err != nil {
		return nil, fmt.Errorf("token_url: %w", err)
	}
	client, err := transport.NewClient(&settings.HTTP, dial, 0)
	if err != nil {
		return nil, err
	}
	s := &tokenSource{settings: settings, endpoint: endpoint, client: client, fetching: make(chan struct{}, 1)}
	for _, name := range slices.Sorted(maps.Keys(settings.EndpointParams)) {
		s.params = append(s.params, sessionapi.InBody(settings.EndpointParams[name]).Secrets...)
	}
	return s, nil
}

// expiryMargin is how long before its expiry a token is no longer used. It is at most
// a fourth of its lifetime: a token that lives for seconds must serve more than one
// endpoint.
const expiryMargin = 10 * time.Second

// tokenFor returns the token if it was issued for this secret.
func (s *tokenSource) tokenFor(current secret.Secret) (secret.Secret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	expired := !s.renewAt.IsZero() && !time.Now().Before(s.renewAt)
	if s.token.IsZero() || expired || !s.secret.Equal(current) {
		return secret.Secret{}, false
	}
	return s.token, true
}

func (s *tokenSource) set(current, token secret.Secret, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.token, s.expires, s.renewAt = current, token, expires, time.Time{}
	if !expires.IsZero() {
		s.renewAt = expires.Add(-min(expiryMargin, time.Until(expires)/4))
	}
}

// drop drops a token that an API refused, so that the next use fetches another.
func (s *tokenSource) drop(token secret.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Equal(token) {
		s.token, s.expires, s.renewAt = secret.Secret{}, time.Time{}, time.Time{}
	}
}

// expiry returns when the current token expires, zero if that is unknown.
func (s *tokenSource) expiry() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expires
}

// limit records a Retry-After.
func (s *tokenSource) limit(o *outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited, s.retryUntil = o, time.Now().Add(o.retryAfter)
}

// activeLimit returns the outcome whose Retry-After is in force, adapted to an endpoint, nil
// without one.
func (s *tokenSource) activeLimit(e *config.Endpoint) *outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := time.Until(s.retryUntil)
	if left <= 0 {
		return nil
	}
	return s.limited.with(func(next *outcome) { next.endpoint, next.retryAfter, next.late = e, left, nil })
}

// prepare returns one token request.
func (s *tokenSource) prepare(current secret.Secret) *exchange {
	x := newExchange(s.client, s.request(current))
	x.Secrets = append(x.Secrets, s.params...)
	x.interpretToken = func(x *exchange) { s.interpret(x, current) }
	return x
}

// interpret interprets the response and keeps the token that it gives.
func (s *tokenSource) interpret(x *exchange, current secret.Secret) {
	if x.IsIncomplete() {
		return
	}
	var expires time.Time
	if x.interpretation, expires = sessionapi.InterpretToken(x.Response, x.Start); x.interpretation.State == sessionapi.Valid {
		s.set(current, x.interpretation.Token, expires)
	}
}

// request returns the token request of the client credentials grant (RFC 6749, 4.4.2).
// Tokens are fetched too rarely to keep a connection between them.
func (s *tokenSource) request(current secret.Secret) request {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(s.settings.Scopes) > 0 {
		form.Set("scope", strings.Join(s.settings.Scopes, " "))
	}
	for name, value := range s.settings.EndpointParams {
		form.Set(name, value.Reveal())
	}
	authorization := sessionapi.InBody(current)
	if s.settings.AuthStyle == config.AuthStyleParams {
		form.Set("client_id", s.settings.ClientID)
		form.Set("client_secret", current.Reveal())
	} else {
		// Both are form-encoded before HTTP Basic encodes them (RFC 6749, 2.3.1).
		basic := sessionapi.Basic(url.QueryEscape(s.settings.ClientID), secret.New(url.QueryEscape(current.Reveal())))
		basic.Secrets = append(basic.Secrets, authorization.Secrets...)
		authorization = basic
	}
	call := sessionapi.Request{Method: http.MethodPost, Body: []byte(form.Encode()), ContentType: "application/x-www-form-urlencoded"}
	return request{step: sessionapi.Token, call: call, base: s.endpoint, authorization: authorization, close: true}
}
