package probe

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"session_exporter/config"
	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

const canaryRefresh = "canary-refr3sh"

// byGrant returns a change that makes a credential use the grant.
func byGrant(grant config.GrantType) func(*config.Credential) {
	return func(c *config.Credential) {
		o := c.OAuth2
		o.GrantType, o.Scopes = grant, nil
		switch grant {
		case config.GrantPassword:
			c.Username, c.Secret.Inline, o.ClientSecret.Inline = "alice", secret.New(canaryPassword), secret.New(canaryClient)
		case config.GrantRefreshToken:
			c.Secret.Inline, o.ClientSecret.Inline = secret.New(canaryRefresh+"-0"), secret.New(canaryClient)
		case config.GrantVCFAPIToken:
			c.Secret.Inline, o.ClientID, o.AuthStyle = secret.New(canaryRefresh), "", ""
		case config.GrantJWTBearer:
			o.AuthStyle, o.Assertion = "", &config.Assertion{Algorithm: "RS256", Issuer: "exporter", Audience: "http://sso.test/token"}
		case config.GrantClientCredentials:
		}
	}
}

// grantProber returns a prober whose credential uses OAuth 2.0, with these changes.
func (a *authServer) grantProber(t *testing.T, changes ...func(*config.Credential)) *Prober {
	t.Helper()
	e := endpointFor("hcx", sessionapi.AuthBearer)
	e.Credential = oauthCredential("http://sso.test/token")
	for _, change := range changes {
		change(e.Credential)
	}
	p := newProber(t, e)
	dial := newPipeServer(t, a).dial
	directly(p).DialContext, tokenTransport(p).DialContext = dial, dial
	return p
}

// Each grant is one request, with what its server expects and nothing else.
func TestGrantRequests(t *testing.T) {
	public := func(style config.AuthStyle) func(*config.Credential) {
		return func(c *config.Credential) {
			c.OAuth2.ClientSecret, c.OAuth2.AuthStyle = secret.Source{}, style
		}
	}
	params := func(c *config.Credential) { c.OAuth2.AuthStyle = config.AuthStyleParams }
	for _, c := range []struct {
		grant  config.GrantType
		change func(*config.Credential)
		want   string // user and password of HTTP Basic, and the form
	}{
		{config.GrantPassword, nil, "exporter canary-client-s3cret grant_type=password&password=canary-passw0rd&username=alice"},
		{config.GrantPassword, params, "  client_id=exporter&client_secret=canary-client-s3cret&grant_type=password&password=canary-passw0rd&username=alice"},
		{config.GrantPassword, public(config.AuthStyleParams), "  client_id=exporter&grant_type=password&password=canary-passw0rd&username=alice"},
		{config.GrantPassword, public(config.AuthStyleHeader), "exporter  grant_type=password&password=canary-passw0rd&username=alice"},
		{config.GrantRefreshToken, nil, "exporter canary-client-s3cret grant_type=refresh_token&refresh_token=canary-refr3sh-0"},
		{config.GrantRefreshToken, params, "  client_id=exporter&client_secret=canary-client-s3cret&grant_type=refresh_token&refresh_token=canary-refr3sh-0"},
		{config.GrantVCFAPIToken, nil, "  api_token=canary-refr3sh&grant_type=urn%3Acustom%3Avcf%3Aparams%3Aoauth%3Agrant-type%3Aapi-token"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &authServer{lifetime: 3600}
			change := c.change
			if change == nil {
				change = func(*config.Credential) {}
			}
			p := a.grantProber(t, byGrant(c.grant), change)
			if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 1 {
				t.Fatalf("%s: %s: %s", c.grant, r.State, r.Diagnosis)
			}
			name, password, _ := a.seen[0].BasicAuth()
			if got := name + " " + password + " " + a.seen[0].Form.Encode(); got != c.want || len(a.seen) != 1 {
				t.Errorf("%d requests, the first is\n%s, want\n%s", len(a.seen), got, c.want)
			}
		})
	}
}

// signingKey returns an RSA key, and the same key in PEM format.
func signingKey(t *testing.T) (key *rsa.PrivateKey, text string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// The assertion has the claims that Prometheus sends, a signature that the server can verify,
// and an ID of its own.
func TestAssertion(t *testing.T) {
	key, text := signingKey(t)
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: 60}
		p := a.grantProber(t, byGrant(config.GrantJWTBearer), func(c *config.Credential) {
			c.Secret.Inline = secret.New(text)
			c.OAuth2.Scopes = []string{"read", "sessions"}
			c.OAuth2.Assertion.Algorithm, c.OAuth2.Assertion.KeyID = "RS384", "key-1"
			c.OAuth2.Assertion.Claims = map[string]any{"tenant": "t-1", "sub": "alice"}
		})
		ids := make(map[any]bool)
		for i := range 2 {
			if r := mustProbe(t, p); r.State != sessionapi.Valid {
				t.Fatalf("%s: %s", r.State, r.Diagnosis)
			}
			sent := a.seen[i]
			if _, _, basic := sent.BasicAuth(); basic || sent.Form.Get("client_id") != "" || sent.Form.Get("scope") != "read sessions" || sent.Form.Get("grant_type") != string(config.GrantJWTBearer) {
				t.Errorf("sent %v", sent.Form)
			}
			claims := make(jwt.MapClaims)
			token, err := jwt.ParseWithClaims(sent.Form.Get("assertion"), claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil }, jwt.WithValidMethods([]string{"RS384"}))
			if err != nil || token.Header["kid"] != "key-1" {
				t.Fatal(token, err)
			}
			issued, _ := claims.GetIssuedAt()
			expires, _ := claims.GetExpirationTime()
			if claims["iss"] != "exporter" || claims["sub"] != "alice" || claims["aud"] != "http://sso.test/token" || claims["tenant"] != "t-1" || claims["scope"] != "read sessions" || expires.Sub(issued.Time) != 10*time.Minute {
				t.Errorf("claims %v", claims)
			}
			ids[claims["jti"]] = true
			time.Sleep(time.Minute)
		}
		if len(ids) != 2 {
			t.Errorf("the assertions have the IDs %v, want two", ids)
		}
	})
}

// A key that cannot sign makes the state credential_missing, and nothing is sent.
func TestKeyThatCannotSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(authServer)
		p := a.grantProber(t, byGrant(config.GrantJWTBearer))
		for range 2 {
			r := mustProbe(t, p)
			if _, requests := a.counts(); r.State != sessionapi.CredentialMissing || requests != 0 || !strings.Contains(r.Diagnosis, "the secret from the configuration is not an unencrypted RSA private key in PEM format") {
				t.Errorf("%s after %d requests: %s", r.State, requests, r.Diagnosis)
			}
			time.Sleep(time.Minute)
		}
	})
}

// The diagnosis of a refusal depends on what the server refused.
func TestGrantRefusals(t *testing.T) {
	_, key := signingKey(t)
	failure := func(status int, code string) reply {
		return reply{status, nil, `{"error": "` + code + `", "error_description": "no"}`}
	}
	plain := func(text string) reply { return reply{400, map[string]string{"Content-Type": "text/plain"}, text} }
	for _, c := range []struct {
		grant             config.GrantType
		response          reply
		diagnosis, advice string
	}{
		{config.GrantPassword, failure(400, "invalid_grant"), `sso.test refused the password of "alice" from the configuration (400 invalid_grant, "no").`, "The password in the configuration is out of date"},
		{config.GrantPassword, failure(401, "invalid_client"), `refused the OAuth 2.0 client "exporter" (401 invalid_client, "no").`, "Check the client's ID and secret"},
		{config.GrantPassword, plain("invalid_client"), `refused the OAuth 2.0 client "exporter" (400 invalid_client).`, "set `auth_style: params`"},
		{config.GrantPassword, reply{status: 401}, `refused the password of "alice" from the configuration, or the OAuth 2.0 client "exporter" (401).`, "Check the client's ID and secret, too."},
		{config.GrantPassword, failure(400, "unauthorized_client"), `refused the OAuth 2.0 client "exporter"`, "permits this grant to this client"},
		{config.GrantPassword, failure(400, "unsupported_grant_type"), "rejected the token request as malformed", "does not offer this grant"},
		{config.GrantRefreshToken, failure(400, "invalid_grant"), `refused the refresh token from the configuration (400 invalid_grant, "no"). It has expired, was revoked, or was used before.`, "Obtain a new refresh token."},
		{config.GrantRefreshToken, failure(400, "invalid_grant"), "keeps the replacement in memory, and loses it at a restart", "use another grant"},
		{config.GrantRefreshToken, plain("invalid_client: who is that"), `refused the OAuth 2.0 client "exporter" (400 invalid_client, "who is that").`, "Check the client's ID and secret"},
		{config.GrantVCFAPIToken, failure(400, "invalid_grant"), `refused the API token from the configuration (400 invalid_grant, "no"). The API token has expired or was revoked`, "Create a new API token. Put it into the configuration"},
		{config.GrantVCFAPIToken, reply{400, nil, `{"message": "invalid_grant: Invalid refresh token", "statusCode": 400}`}, `refused the API token from the configuration (400 invalid_grant, "Invalid refresh token")`, "Create a new API token."},
		{config.GrantVCFAPIToken, reply{status: 401}, `refused the API token from the configuration (401).`, "Create a new API token."},
		{config.GrantVCFAPIToken, plain("invalid_client"), `refused the API token from the configuration (400 invalid_client).`, "Create a new API token."},
		{config.GrantJWTBearer, failure(400, "invalid_grant"), `refused the assertion of the OAuth 2.0 client "exporter", which the key from the configuration signed`, "compare both clocks"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &authServer{response: c.response}
			p := a.grantProber(t, byGrant(c.grant), func(cr *config.Credential) {
				if c.grant == config.GrantJWTBearer {
					cr.Secret.Inline = secret.New(key)
				}
			})
			r := mustProbe(t, p)
			if !strings.Contains(r.Diagnosis, c.diagnosis) || !strings.Contains(r.Advice, c.advice) {
				t.Errorf("%s %v:\n%s\n%s\nwant … %s …\n… %s …", c.grant, c.response, r.Diagnosis, r.Advice, c.diagnosis, c.advice)
			}
			if _, refusals := p.credential.guard.Status(nil); refusals != 1 {
				t.Errorf("%s %v: %d refusals, want 1", c.grant, c.response, refusals)
			}
			time.Sleep(time.Minute)
			held := mustProbe(t, p)
			if want := "the authorization server refused the " + c.grant.SecretKind() + ` of credential "monitor"`; held.State != sessionapi.LoginSuspended || !strings.Contains(held.Diagnosis, want) {
				t.Errorf("%s: %s\nwant … %s …", held.State, held.Diagnosis, want)
			}
			if c.grant.TakesToken() && !strings.Contains(held.Advice, "new "+c.grant.SecretKind()) {
				t.Errorf("%s: advice %s, want … new %s …", c.grant, held.Advice, c.grant.SecretKind())
			}
		})
	}
}

// The expiry in a JWT is reported in advance. The diagnosis of a later refusal names it.
func TestExpiredAPIToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(time.Hour)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": expires.Unix()}).SignedString([]byte(canaryPassword))
		if err != nil {
			t.Fatal(err)
		}
		a := &authServer{lifetime: 1799}
		p := a.grantProber(t, byGrant(config.GrantVCFAPIToken), func(c *config.Credential) { c.Secret.Inline = secret.New(token) })
		if r := mustProbe(t, p); r.State != sessionapi.Valid || !r.CredentialExpiries["jwt"].Equal(expires) {
			t.Errorf("%s, expires at %v, want %s", r.State, r.CredentialExpiries, expires)
		}
		a.mu.Lock()
		a.response = reply{status: 400, body: `{"error": "invalid_grant"}`}
		a.mu.Unlock()
		time.Sleep(2 * time.Hour)
		if r := mustProbe(t, p); r.State != sessionapi.CredentialsRejected || !strings.Contains(r.Diagnosis, "(400 invalid_grant). It expired at "+clockTime(expires)+".") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialsRejected, r.Diagnosis)
		}
	})
}

// If logins are held back because the client's secret was wrong, correcting it grants a login,
// although the password has not changed.
func TestCorrectedClientSecretGrantsALogin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client")
	put := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("wrong-client")
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		a := &authServer{lifetime: 3600}
		a.response = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			if _, password, _ := r.BasicAuth(); password != canaryClient {
				reply{status: 401, body: `{"error": "invalid_client"}`}.ServeHTTP(w, r)
				return
			}
			a.given++
			_, _ = fmt.Fprintf(w, `{"access_token": "%s-%d"}`, canaryToken, a.given)
		})
		p := a.grantProber(t, byGrant(config.GrantPassword), func(c *config.Credential) { c.OAuth2.ClientSecret = secret.Source{File: file} })
		probesFor(t, p, 2*time.Hour)
		before := requests
		if r := mustProbe(t, p); r.State != sessionapi.LoginSuspended || before > 4 {
			t.Fatalf("%s after %d requests", r.State, before)
		}
		put(canaryClient)
		time.Sleep(time.Minute)
		if !p.credential.refresh() {
			t.Error("the changed client secret is not noticed")
		}
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.CredentialMissing || !strings.Contains(r.Diagnosis, file) || !strings.Contains(r.Advice, "the source that the diagnosis names") {
			t.Errorf("%s, want %s with the file in the diagnosis: %s\n%s", r.State, sessionapi.CredentialMissing, r.Diagnosis, r.Advice)
		}
	})
}

// If a client's secret changes while a request waits for the guard, the old secret is not sent.
func TestClientSecretChangesInTheQueue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client")
	put := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	put("wrong-client")
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: 3600}
		p := a.grantProber(t, byGrant(config.GrantPassword), func(c *config.Credential) { c.OAuth2.ClientSecret = secret.Source{File: file} })
		permit, err := p.credential.guard.Acquire(t.Context(), secret.New(canaryPassword), "another")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { put(canaryClient) })
		time.AfterFunc(2*time.Second, permit.Release)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 1 {
			t.Errorf("%s after %d logins: %s", r.State, r.Logins, r.Diagnosis)
		}
		if _, requests := a.counts(); requests != 1 {
			t.Fatalf("%d requests", requests)
		}
		if _, sent, _ := a.seen[0].BasicAuth(); sent != canaryClient {
			t.Error("the secret before the change was sent")
		}
	})
}

// A server may quote any part of the request, and the tokens that it issued. No secret is
// shown: see checkResult.
func TestGrantSecretsAreMasked(t *testing.T) {
	_, key := signingKey(t)
	for _, grant := range []config.GrantType{config.GrantPassword, config.GrantRefreshToken, config.GrantVCFAPIToken, config.GrantJWTBearer} {
		for _, style := range []config.AuthStyle{config.AuthStyleHeader, config.AuthStyleParams} {
			synctest.Test(t, func(t *testing.T) {
				var assertion string
				a := &authServer{response: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					assertion = r.Form.Get("assertion")
					w.WriteHeader(http.StatusBadRequest)
					_, _ = fmt.Fprintf(w, `{"error": "invalid_grant", "error_description": %q, "access_token": %q, "refresh_token": %q, "id_token": %[3]q}`,
						fmt.Sprint(r.Header, r.Form.Encode(), r.Form), canaryToken, canaryRefresh+"-1")
				})}
				p := a.grantProber(t, byGrant(grant), func(c *config.Credential) {
					if c.OAuth2.AuthStyle != "" {
						c.OAuth2.AuthStyle = style
					}
					if grant == config.GrantJWTBearer {
						c.Secret.Inline = secret.New(key)
					}
				})
				r := mustProbe(t, p)
				shown := fmt.Sprintf("%+v %+v", r, r.Steps[0].Trace)
				masked := strings.Contains(r.Diagnosis, mask.Masked) || strings.Contains(r.Diagnosis, mask.Withheld)
				if !masked || strings.Contains(shown, canaryRefresh) || assertion != "" && strings.Contains(shown, assertion[:40]) {
					t.Errorf("%s %s: a secret is shown, or nothing is masked: %s", grant, style, shown)
				}
			})
		}
	}
}
