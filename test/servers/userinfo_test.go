package servers

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// tokens are the tokens that a provider issues to a user.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// tokensOf logs a user in at the provider, as a browser and a client would, and returns
// the tokens.
func tokensOf(t *testing.T, provider *mockoidc.MockOIDC) tokens {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(browser.CloseIdleConnections)
	response, err := browser.Get(provider.AuthorizationEndpoint() + "?" + url.Values{
		"response_type": {"code"}, "client_id": {provider.ClientID}, "redirect_uri": {"http://client.test/"},
		"scope": {"openid profile groups"}, "state": {"s"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	back, err := response.Location()
	if err != nil {
		t.Fatal(response.Status, err)
	}
	response, err = browser.PostForm(provider.TokenEndpoint(), url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")},
		"client_id": {provider.ClientID}, "client_secret": {provider.ClientSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var given tokens
	if err := json.Unmarshal(body, &given); err != nil || given.Access == "" {
		t.Fatalf("%s: %s", response.Status, body)
	}
	return given
}

// newMockOIDC starts mockoidc, an OpenID provider.
func newMockOIDC(t *testing.T) *mockoidc.MockOIDC {
	t.Helper()
	provider, err := mockoidc.Run() // listens on 127.0.0.1
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return provider
}

func TestUserinfo(t *testing.T) {
	provider := newMockOIDC(t)
	provider.QueueUser(&mockoidc.MockUser{Subject: "1234", PreferredUsername: "jane.doe", Groups: []string{"dev", "ops"}})
	config := func(token string) string {
		return catalogued(t, "userinfo", "https://sso.example.com/oidc", provider.Issuer(), "token_file: secret", "token: "+token,
			"auth: bearer", "auth: bearer, expect: {username: jane.doe, roles: [ops]}")
	}
	p := proberOf(t, config(tokensOf(t, provider).Access), probe.NewManager())
	r := wants(t, p, sessionapi.Valid)
	if lifetime := time.Until(r.CredentialExpiries["jwt"]); lifetime < provider.AccessTTL-time.Minute || lifetime > provider.AccessTTL {
		t.Errorf("the token expires in %s, want %s", lifetime, provider.AccessTTL)
	}
	provider.FastForward(provider.AccessTTL + time.Second)
	wants(t, p, sessionapi.SessionExpired)
	wants(t, proberOf(t, config("no-token"), probe.NewManager()), sessionapi.SessionExpired)
	closeProber(t, p)
}
