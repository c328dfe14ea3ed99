package probe

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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
	settings *promconfig.OAuth2
	client   *http.Client

	mu     sync.Mutex // guards the fields below
	secret config.Secret
	grant  *clientcredentials.Config // of that secret; knows how this server wants it
	token  *oauth2.Token             // the last one given; nil when it was refused
}

func newTokenSource(settings *promconfig.OAuth2) (*tokenSource, error) {
	c, err := newClient(&config.HTTP{TLS: settings.TLSConfig, Proxy: settings.ProxyConfig})
	if err != nil {
		return nil, err
	}
	return &tokenSource{settings: settings, client: &http.Client{
		Transport:     c.transport,
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

// fetch gets a fresh token.
func (s *tokenSource) fetch(ctx context.Context, secret config.Secret) (config.Secret, error) {
	token, err := s.grantFor(secret).Token(context.WithValue(ctx, oauth2.HTTPClient, s.client))
	if err != nil {
		return config.Secret{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secret.Equal(secret) {
		s.token = token
	}
	return config.NewSecret(token.AccessToken), nil
}

func (s *tokenSource) grantFor(secret config.Secret) *clientcredentials.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grant == nil || !s.secret.Equal(secret) {
		parameters := make(url.Values, len(s.settings.EndpointParams))
		for name, value := range s.settings.EndpointParams {
			parameters.Set(name, value)
		}
		s.secret, s.token = secret, nil
		s.grant = &clientcredentials.Config{
			ClientID:       s.settings.ClientID,
			ClientSecret:   secret.Reveal(),
			TokenURL:       s.settings.TokenURL,
			Scopes:         s.settings.Scopes,
			EndpointParams: parameters,
		}
	}
	return s.grant
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

// tokenExchange retells a failed fetch as the exchange that it was, so that it
// is classified like any other.
func tokenExchange(tokenURL string, start time.Time, err error) (*exchange, Reading) {
	x := &exchange{step: Login, method: http.MethodPost, start: start, end: time.Now()}
	x.url, _ = url.Parse(tokenURL) // it was parsed when the configuration was loaded
	refusal, answered := errors.AsType[*oauth2.RetrieveError](err)
	if !answered {
		x.err = err
		if _, sent := errors.AsType[*url.Error](err); !sent {
			x.answered = x.end // it did answer: the library could not read the token in it
		}
		return x, Reading{}
	}
	x.answer = Answer{Status: refusal.Response.StatusCode, Header: refusal.Response.Header, Body: refusal.Body}
	reading := Reading{Code: refusal.ErrorCode, Message: refusal.ErrorDescription}
	switch refusal.ErrorCode { // RFC 6749, 5.2
	case "invalid_client", "unauthorized_client", "invalid_grant", "access_denied":
		reading.State = CredentialsRejected
	case "invalid_request", "invalid_scope", "unsupported_grant_type":
		reading.State = BadRequest
	case "server_error", "temporarily_unavailable":
		reading.State = ServerError
	}
	return x, reading
}
