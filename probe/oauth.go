package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"session_exporter/config"
)

// tokenSource exchanges a client secret for bearer tokens: OAuth 2.0's client
// credentials grant (RFC 6749, 4.4). All endpoints of an account share a token
// until it expires or is refused.
type tokenSource struct {
	settings     *promconfig.OAuth2
	client       *http.Client
	proxySecrets []config.Secret

	// fetching has room for one: some servers void a token when they give another.
	fetching chan struct{}

	mu     sync.Mutex // guards the fields below
	secret config.Secret
	style  oauth2.AuthStyle // how this server wants it; unknown until it gave a token
	body   bool             // the body is to be tried first, for the header was refused last
	token  *oauth2.Token    // the last one given; nil when it was refused
}

func newTokenSource(settings *promconfig.OAuth2, dial DialFunc) (*tokenSource, error) {
	tlsConfig, err := promconfig.NewTLSConfig(&settings.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	proxy := settings.ProxyConfig
	return &tokenSource{settings: settings, fetching: make(chan struct{}, 1), proxySecrets: proxySecrets(&proxy), client: &http.Client{
		Transport:     standardTransport(tlsConfig, &proxy, dial, maxDial),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// held returns the token that the secret gave before, while it lasts.
func (s *tokenSource) held(secret config.Secret) (config.Secret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.secret.Equal(secret) || !s.token.Valid() {
		return config.Secret{}, false
	}
	return config.NewSecret(s.token.AccessToken), true
}

// styles are the ways to send the client secret that are worth a try: in the
// header, which every server must take (RFC 6749, 2.3.1), and in the body, which
// is all that some take. The library would try both by itself, and on any error.
func (s *tokenSource) styles() []oauth2.AuthStyle {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.style != oauth2.AuthStyleAutoDetect {
		return []oauth2.AuthStyle{s.style}
	}
	styles := []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams}
	if s.body {
		slices.Reverse(styles)
	}
	return styles
}

// turnDown notes that a way was refused. With a budget of one refusal the other
// would never get its turn.
func (s *tokenSource) turnDown(style oauth2.AuthStyle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = style == oauth2.AuthStyleInHeader
}

// attempt prepares to get a fresh token. What becomes of it is told as the
// exchange that it is, so that it is classified like any other.
func (s *tokenSource) attempt(secret config.Secret, style oauth2.AuthStyle) *attempt {
	x := &exchange{step: Token, method: http.MethodPost, start: time.Now()}
	// RFC 6749, 2.3.1: both are escaped, in the form and before HTTP Basic encodes
	// them. A form is quoted in turn.
	escaped := url.QueryEscape(secret.Reveal())
	x.secrets = append(slices.Clip(s.proxySecrets), config.NewSecret(escaped), basicPair(url.QueryEscape(s.settings.ClientID), escaped))
	x.url, _ = url.Parse(s.settings.TokenURL) // it was parsed when the configuration was loaded
	return &attempt{x: x, proof: bodyProof(secret), send: func(ctx context.Context, x *exchange, t *tracer) {
		client := *s.client
		client.Transport = noting{client.Transport, x}
		token, err := s.grant(secret, style).Token(context.WithValue(t.attach(ctx), oauth2.HTTPClient, &client))
		defer x.finish(ctx, t)
		if err != nil {
			x.reading = x.refusal(ctx, err)
			return
		}
		given := config.NewSecret(token.AccessToken)
		if !headerSafe(given) {
			x.reading = Reading{State: InvalidResponse, Why: "its token has characters that no HTTP header can carry"}
			return
		}
		x.reading = Reading{State: Valid, Token: given}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.secret, s.style, s.token = secret, style, token
	}}
}

func (s *tokenSource) grant(secret config.Secret, style oauth2.AuthStyle) *clientcredentials.Config {
	parameters := make(url.Values, len(s.settings.EndpointParams))
	for name, value := range s.settings.EndpointParams {
		parameters.Set(name, value)
	}
	return &clientcredentials.Config{
		ClientID:       s.settings.ClientID,
		ClientSecret:   secret.Reveal(),
		TokenURL:       s.settings.TokenURL,
		Scopes:         s.settings.Scopes,
		EndpointParams: parameters,
		AuthStyle:      style,
	}
}

// refused drops a token that an API refused, so that the next use fetches one.
func (s *tokenSource) refused(token config.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != nil && s.token.AccessToken == token.Reveal() {
		s.token = nil
	}
}

func (s *tokenSource) expiry() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == nil {
		return time.Time{}
	}
	return s.token.Expiry
}

// noting notes in an exchange what was answered, whatever the library makes of it: of
// an answer that it cannot read it tells nothing.
type noting struct {
	http.RoundTripper
	x *exchange
}

func (n noting) RoundTrip(req *http.Request) (*http.Response, error) {
	response, err := n.RoundTripper.RoundTrip(req)
	if err == nil {
		n.x.answer.Status, n.x.answer.Header = response.StatusCode, response.Header
	}
	return response, err
}

// refusal retells what the library says of a fetch that gave no token.
func (x *exchange) refusal(ctx context.Context, err error) Reading {
	refusal, read := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case read:
	case ctx.Err() != nil:
		x.err = ctx.Err() // whatever it was cut off at
		return Reading{}
	case x.answer.Status == 0: // nobody answered
		x.err = err
		return Reading{}
	case x.answer.ok(): // without a token that can be read
		return Reading{State: InvalidResponse, Why: "it is no OAuth 2.0 token response"}
	default: // the status says enough
		return Reading{}
	}
	reading := Reading{Code: refusal.ErrorCode, Message: refusal.ErrorDescription}
	switch refusal.ErrorCode { // RFC 6749, 5.2
	case "invalid_client", "unauthorized_client", "invalid_grant", "access_denied":
		reading.State = CredentialsRejected
	case "invalid_request", "invalid_scope", "unsupported_grant_type":
		reading.State = BadRequest
	case "server_error", "temporarily_unavailable":
		reading.State = ServerError
	}
	return reading
}

// findByOAuth presents a bearer token (RFC 6750) that OAuth 2.0 gave. One that
// was held is fetched afresh, once, when it is refused.
func (p *Prober) findByOAuth(ctx context.Context, r *Result) *finding {
	secret, err := p.credential.load()
	if err != nil {
		return missing(err)
	}
	if token, held := p.credential.oauth.held(secret); held {
		found := p.check(ctx, r, bearerProof(token))
		if found.state.Verdict() != Refused {
			return found
		}
		p.credential.oauth.refused(token)
	}
	token, failed := p.fetchToken(ctx, r)
	if failed != nil {
		return failed
	}
	found := p.check(ctx, r, bearerProof(token))
	if found.state.Verdict() == Refused {
		p.credential.oauth.refused(token)
		found.refusedAtOnce = true
	}
	return found
}

func (p *Prober) fetchToken(ctx context.Context, r *Result) (config.Secret, *finding) {
	// One that hangs must not keep all others: who got no place goes on, too.
	if done := place(ctx, p.credential.oauth.fetching, p.endpoint.Timeout/2); done != nil {
		defer done()
	}
	leave, withheld := p.admit(ctx)
	if withheld != nil {
		return config.Secret{}, withheld
	}
	defer leave.end()
	if token, held := p.credential.oauth.held(leave.secret); held {
		return token, nil // somebody else's, got while we waited
	}
	var refused *finding
	for _, style := range p.credential.oauth.styles() {
		r.Logins++
		found := p.submit(ctx, r, p.credential.oauth.attempt(leave.secret, style), leave)
		if found.state == Valid {
			return found.reading.Token, nil
		}
		r.LoginFailures++
		if found.state == CredentialsRejected {
			p.credential.oauth.turnDown(style)
		}
		if found.state != CredentialsRejected || !leave.again() {
			return config.Secret{}, found
		}
		refused = found
	}
	return config.Secret{}, refused
}
