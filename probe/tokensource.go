package probe

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/probe/rotation"
	"session_exporter/probe/transport"
	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// tokenSource exchanges an account's secret for bearer tokens (OAuth 2.0, RFC 6749).
// All endpoints of the account share a token until it expires or is refused.
type tokenSource struct {
	account  *config.Credential
	settings *config.OAuth2 // of account
	endpoint *url.URL
	client   *transport.Client
	params   []secret.Secret // values of endpoint_params, and texts of claims that may be secret
	// fetching has capacity 1: some servers revoke a token when they issue another.
	fetching      chan struct{}
	refreshTokens *rotation.Registry

	mu      sync.Mutex    // guards the fields below
	secret  secret.Secret // that the token was issued for
	token   secret.Secret // zero if none is held, or it was refused
	expires time.Time     // zero if unknown: the token is used until it is refused
	renewAt time.Time     // before it expires; zero if that is unknown

	// A Retry-After of the authorization server applies to all endpoints.
	limited    *outcome // of the response that has it
	retryUntil time.Time
}

func newTokenSource(account *config.Credential, dial transport.DialFunc, refreshTokens *rotation.Registry) (*tokenSource, error) {
	settings := account.OAuth2
	endpoint, err := url.Parse(settings.TokenURL)
	if err != nil {
		return nil, fmt.Errorf("token_url: %w", err)
	}
	client, err := transport.NewClient(&settings.HTTP, dial, 0)
	if err != nil {
		return nil, err
	}
	s := &tokenSource{account: account, settings: settings, endpoint: endpoint, client: client, fetching: make(chan struct{}, 1), refreshTokens: refreshTokens}
	for _, name := range slices.Sorted(maps.Keys(settings.EndpointParams)) {
		s.params = append(s.params, sessionapi.InBody(settings.EndpointParams[name]).Secrets...)
	}
	if settings.Assertion != nil {
		claims, _ := json.Marshal(settings.Assertion.Claims) // checked by the loader
		for _, text := range mask.BodyTexts(claims, "application/json") {
			if secret.MayBeSecret(text) {
				s.params = append(s.params, secret.New(text))
			}
		}
	}
	return s, nil
}

// serves reports whether the source can also serve an account of a new configuration, so that
// a reload keeps the tokens and a Retry-After.
func (s *tokenSource) serves(account *config.Credential) bool {
	return account.OAuth2 != nil && account.Username == s.account.Username && account.Secret.Same(s.account.Secret) && reflect.DeepEqual(account.OAuth2, s.settings)
}

// rotates reports whether a response may replace the token that was exchanged.
func (s *tokenSource) rotates() bool { return s.settings.GrantType == config.GrantRefreshToken }

func (s *tokenSource) refreshToken(configured secret.Secret) *rotation.Token {
	return s.refreshTokens.Token(s.settings.ClientID, s.settings.TokenURL, configured)
}

// slot returns the channel that limits token requests with a secret.
func (s *tokenSource) slot(current secret.Secret) chan struct{} {
	if s.rotates() {
		return s.refreshToken(current).Presenting
	}
	return s.fetching
}

// latest returns what replaced a configured token and when, or the secret itself if nothing
// has.
func (s *tokenSource) latest(current secret.Secret) (secret.Secret, time.Time) {
	if s.rotates() {
		if replacement, at := s.refreshToken(current).Latest(); !at.IsZero() {
			return replacement, at
		}
	}
	return current, time.Time{}
}

// expiryMargin is the time before its expiry in which a token is no longer used. For
// short-lived tokens, the margin is a quarter of the lifetime: a token that lives for seconds
// must serve more than one endpoint.
const expiryMargin = 10 * time.Second

// tokenFor returns the token if it was issued for this secret and is not about to expire.
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

// prepare returns one token request. clientSecret is zero unless the grant exchanges
// another secret.
func (s *tokenSource) prepare(current, clientSecret secret.Secret) *exchange {
	presented, issuedAt := s.latest(current)
	x := newExchange(s.client, s.request(presented, clientSecret))
	x.Secrets = append(x.Secrets, s.params...)
	if s.settings.GrantType.TakesToken() {
		x.exchanged = &exchangedToken{issuedAt: issuedAt, expires: sessionapi.JWTExpiry(presented)}
	}
	x.interpretToken = func(x *exchange) { s.interpret(x, current, presented) }
	return x
}

// interpret interprets the response to a request that presented a secret, and keeps the
// tokens that it gives.
func (s *tokenSource) interpret(x *exchange, current, presented secret.Secret) {
	if x.IsIncomplete() {
		return
	}
	var issued sessionapi.Issued
	x.interpretation, issued = sessionapi.InterpretToken(x.Response, x.Start)
	x.Secrets = append(x.Secrets, issued.RefreshToken, issued.IDToken)
	if x.interpretation.State == sessionapi.Valid {
		s.set(current, x.interpretation.Token, issued.Expires)
	}
	succeeded := x.Response.OK() && x.interpretation.Code == ""
	if s.rotates() && succeeded && !issued.RefreshToken.IsZero() && !issued.RefreshToken.Equal(presented) {
		s.refreshToken(current).Replace(issued.RefreshToken)
	}
}

// vcfGrant is the grant of VMware Cloud Foundation's identity broker.
const vcfGrant = "urn:custom:vcf:params:oauth:grant-type:api-token"

// request returns the token request that presents a secret. Tokens are fetched too rarely
// to keep a connection between them.
func (s *tokenSource) request(presented, clientSecret secret.Secret) request {
	form := url.Values{"grant_type": {string(s.settings.GrantType)}}
	if len(s.settings.Scopes) > 0 {
		form.Set("scope", strings.Join(s.settings.Scopes, " "))
	}
	authorization := sessionapi.InBody(presented)
	switch s.settings.GrantType {
	case config.GrantClientCredentials:
		clientSecret = presented
	case config.GrantPassword:
		form.Set("username", s.account.Username)
		form.Set("password", presented.Reveal())
	case config.GrantRefreshToken:
		form.Set("refresh_token", presented.Reveal())
	case config.GrantVCFAPIToken:
		form.Set("grant_type", vcfGrant)
		form.Set("api_token", presented.Reveal())
	case config.GrantJWTBearer:
		assertion, _ := s.assertion(presented) // see credential.readLocked
		form.Set("assertion", assertion.Reveal())
		authorization = sessionapi.InBody(assertion) // the key is not sent
	}
	for name, value := range s.settings.EndpointParams {
		form.Set(name, value.Reveal())
	}
	switch s.settings.AuthStyle {
	case config.AuthStyleParams:
		form.Set("client_id", s.settings.ClientID)
		if !clientSecret.IsZero() {
			form.Set("client_secret", clientSecret.Reveal())
		}
		authorization.Secrets = append(authorization.Secrets, clientSecret)
	case config.AuthStyleHeader:
		// ID and secret are form-encoded before HTTP Basic encodes them (RFC 6749, 2.3.1).
		basic := sessionapi.Basic(url.QueryEscape(s.settings.ClientID), secret.New(url.QueryEscape(clientSecret.Reveal())))
		basic.Secrets = append(append(basic.Secrets, clientSecret), authorization.Secrets...)
		authorization = basic
	}
	call := sessionapi.Request{Method: http.MethodPost, Body: []byte(form.Encode()), ContentType: "application/x-www-form-urlencoded"}
	return request{step: sessionapi.Token, call: call, base: s.endpoint, authorization: authorization, close: true}
}

// assertionLifetime is the lifetime of an assertion, as in Prometheus.
const assertionLifetime = 10 * time.Minute

// assertion returns a new assertion signed by a key, with the claims that Prometheus sends
// and the configured ones.
func (s *tokenSource) assertion(key secret.Secret) (secret.Secret, error) {
	a, now := s.settings.Assertion, time.Now()
	claims := map[string]any{
		"iss": a.Issuer, "sub": s.settings.ClientID, "aud": a.Audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	}
	if len(s.settings.Scopes) > 0 {
		claims["scope"] = strings.Join(s.settings.Scopes, " ")
	}
	maps.Copy(claims, a.Claims)
	return sessionapi.SignJWT(key, a.Algorithm, a.KeyID, claims)
}
