package servers

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/oauth2-proxy/mockoidc"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// withGrant returns a configuration for the provider's userinfo endpoint with a credential.
func withGrant(t *testing.T, provider, credential string) string {
	t.Helper()
	return catalogued(t, "userinfo", "https://sso.example.com/oidc", provider, "{token_file: secret}", credential)
}

// zitadel is Zitadel's example OpenID provider, with its storage in memory.
type zitadel struct {
	*storage.Storage
	issuer string
	key    *rsa.PrivateKey // of the service user
}

// users also has the service users, so that userinfo names them.
type users struct{ storage.UserStore }

func (u users) GetUserByID(id string) *storage.User {
	if known := u.UserStore.GetUserByID(id); known != nil {
		return known
	}
	return &storage.User{ID: id, Username: id}
}

// GetKeyByIDAndClientID implements op.Storage.
func (z *zitadel) GetKeyByIDAndClientID(_ context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	if keyID != storage.ServiceUserKeyID || clientID != storage.ServiceUserID {
		return nil, errors.New("unknown key")
	}
	return &jose.JSONWebKey{KeyID: keyID, Use: "sig", Key: &z.key.PublicKey}, nil
}

// CreateAccessAndRefreshTokens implements op.Storage, with a token lifetime of two seconds.
func (z *zitadel) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest, current string) (id, refresh string, expires time.Time, err error) {
	id, refresh, _, err = z.Storage.CreateAccessAndRefreshTokens(ctx, request, current)
	return id, refresh, time.Now().Add(2 * time.Second), err
}

const clientRedirect = "http://client.test/"

// newZitadel starts the provider.
func newZitadel(t *testing.T) *zitadel {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	z := &zitadel{issuer: "http://" + server.Listener.Addr().String(), key: key}
	storage.RegisterClients(storage.WebClient("web", "secret", clientRedirect))
	z.Storage = storage.NewStorage(users{storage.NewUserStore(z.issuer)})
	logger := slog.Default()
	t.Cleanup(func() { slog.SetDefault(logger) })
	server.Config.Handler = exampleop.SetupServer(z.issuer, z, slog.New(slog.DiscardHandler), false)
	server.Start()
	t.Cleanup(server.Close)
	return z
}

// refreshToken logs a user in, as a browser and a client would, and returns the refresh token.
func (z *zitadel) refreshToken(t *testing.T) string {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(browser.CloseIdleConnections)
	follow := func(response *http.Response, err error) *url.URL {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		to, err := response.Location()
		if err != nil {
			t.Fatal(response.Status, err)
		}
		return to
	}
	login := follow(browser.Get(z.issuer + "/auth?" + url.Values{ //nolint:bodyclose // follow closes it
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {clientRedirect},
		"scope": {"openid profile offline_access"}, "state": {"s"},
	}.Encode()))
	callback := follow(browser.PostForm(login.String(), url.Values{"username": {"test-user2"}, "password": {"verysecure"}, "id": {login.Query().Get("authRequestID")}})) //nolint:bodyclose // follow closes it
	back := follow(browser.Get(callback.String()))                                                                                                                       //nolint:bodyclose // follow closes it
	response, err := browser.PostForm(z.issuer+"/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {clientRedirect},
		"client_id": {"web"}, "client_secret": {"secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var given struct {
		Token string `json:"refresh_token"`
	}
	if err := json.Unmarshal(body, &given); err != nil || given.Token == "" {
		t.Fatalf("%s: %s", response.Status, body)
	}
	return given.Token
}

// keyFile writes a key to a file and returns the file's name.
func keyFile(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestClientGrantsAtAProvider requests tokens with a client secret, in the header and in the
// form, and with a signed assertion. The provider refuses a wrong secret and a wrong key.
func TestClientGrantsAtAProvider(t *testing.T) {
	z := newZitadel(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const (
		client = "{oauth2: {client_id: sid1, scopes: [openid, profile], token_url: ISSUER/oauth/token, client_secret: "
		signed = "{oauth2: {client_id: service, grant_type: '" + string(config.GrantJWTBearer) + "', scopes: [openid], audience: ISSUER, token_url: ISSUER/oauth/token, client_certificate_key_id: key1, client_certificate_key_file: "
	)
	for _, c := range []struct {
		name, credential string
		user             string // empty if it is refused
	}{
		{"header", client + "verysecret}}", "sid1"},
		{"params", client + "verysecret, auth_style: params}}", "sid1"},
		{"wrong secret", client + "wrong}}", ""},
		{"key", signed + keyFile(t, z.key) + "}}", "service"},
		{"wrong key", signed + keyFile(t, other) + "}}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := proberOf(t, withGrant(t, z.issuer, strings.ReplaceAll(c.credential, "ISSUER", z.issuer)), probe.NewManager())
			if c.user == "" {
				if r := wants(t, p, sessionapi.CredentialsRejected); r.Logins != 1 {
					t.Errorf("%d token requests", r.Logins)
				}
				return
			}
			if r := wants(t, p, sessionapi.Valid); r.Identity.Username != c.user || r.Logins != 1 {
				t.Errorf("%+v after %d logins", r.Identity, r.Logins)
			}
		})
	}
}

// TestRotatingRefreshTokenAtAProvider uses a provider that replaces refresh tokens: the exporter
// uses each replacement. After a restart, the provider refuses the token in the configuration,
// and the diagnosis says why.
func TestRotatingRefreshTokenAtAProvider(t *testing.T) {
	z := newZitadel(t)
	text := withGrant(t, z.issuer, "{token: "+z.refreshToken(t)+", oauth2: {client_id: web, client_secret: secret, grant_type: refresh_token, token_url: "+z.issuer+"/oauth/token}}")
	p := proberOf(t, text, probe.NewManager())
	for fetched, end := 0, time.Now().Add(20*time.Second); fetched < 3; time.Sleep(200 * time.Millisecond) {
		r := wants(t, p, sessionapi.Valid)
		if fetched += r.Logins; r.Identity.Username != "test-user2" || time.Now().After(end) {
			t.Fatalf("%+v after %d tokens", r.Identity, fetched)
		}
	}
	r := wants(t, proberOf(t, text, probe.NewManager()), sessionapi.CredentialsRejected)
	if !strings.Contains(r.Diagnosis, "loses it at a restart") {
		t.Error(r.Diagnosis)
	}
}

// TestRefreshTokenAtAProvider uses a provider that keeps refresh tokens, and accepts the client
// secret only in the form.
func TestRefreshTokenAtAProvider(t *testing.T) {
	provider := newMockOIDC(t)
	provider.QueueUser(&mockoidc.MockUser{Subject: "1234", PreferredUsername: "jane.doe"})
	refresh := tokensOf(t, provider).Refresh
	credential := func(style, clientSecret string) string {
		return withGrant(t, provider.Issuer(), "{token: "+refresh+", oauth2: {client_id: "+provider.ClientID+", client_secret: "+clientSecret+", grant_type: refresh_token, auth_style: "+style+", token_url: "+provider.TokenEndpoint()+"}}")
	}
	for range 2 { // the second time as after a restart
		p := proberOf(t, credential("params", provider.ClientSecret), probe.NewManager())
		if r := wants(t, p, sessionapi.Valid); r.Identity.Username != "jane.doe" {
			t.Errorf("%+v", r.Identity)
		}
		provider.FastForward(provider.AccessTTL + time.Second) // the access token expires
		if r := wants(t, p, sessionapi.Valid); r.Logins != 1 {
			t.Errorf("%d token requests", r.Logins)
		}
	}
	if r := wants(t, proberOf(t, credential("params", "wrong"), probe.NewManager()), sessionapi.CredentialsRejected); !strings.Contains(r.Diagnosis, "refused the OAuth 2.0 client") {
		t.Error(r.Diagnosis)
	}
	if r := wants(t, proberOf(t, credential("header", provider.ClientSecret), probe.NewManager()), sessionapi.BadRequest); !strings.Contains(r.Advice, "auth_style: params") {
		t.Error(r.Advice)
	}
	provider.FastForward(provider.RefreshTTL)
	if r := wants(t, proberOf(t, credential("params", provider.ClientSecret), probe.NewManager()), sessionapi.CredentialsRejected); !strings.Contains(r.Diagnosis, "refused the refresh token from the configuration") {
		t.Error(r.Diagnosis)
	}
}
