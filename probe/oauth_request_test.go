package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// The client authenticates only in the configured way.
func TestOAuthAuthStyle(t *testing.T) {
	for style, want := range map[config.AuthStyle]string{
		config.AuthStyleHeader: "exporter canary-client-s3cret grant_type=client_credentials&resource=canary-passw0rd&scope=read+sessions",
		config.AuthStyleParams: "  client_id=exporter&client_secret=canary-client-s3cret&grant_type=client_credentials&resource=canary-passw0rd&scope=read+sessions",
	} {
		t.Run(string(style), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &authServer{lifetime: 3600}
				p := a.proberOf(t, func(o *config.OAuth2) {
					o.AuthStyle, o.EndpointParams = style, map[string]secret.Secret{"resource": secret.New(canaryPassword)}
				})
				if r := mustProbe(t, p); r.State != sessionapi.Valid {
					t.Fatalf("%s: %s", r.State, r.Diagnosis)
				}
				sent := a.seen[0]
				name, current, _ := sent.BasicAuth()
				if got := name + " " + current + " " + sent.Form.Encode(); got != want || len(a.seen) != 1 {
					t.Errorf("%d requests, the first is\n%s, want\n%s", len(a.seen), got, want)
				}
				if !sent.Close || sent.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
					t.Errorf("sent %v, closes the connection: %t", sent.Header, sent.Close)
				}
			})
		})
	}
}

// A failure takes one request, and the advice names the other style if that may help.
func TestOAuthAuthStyleAdvice(t *testing.T) {
	for _, c := range []struct {
		style    config.AuthStyle
		response reply
		advice   string // empty if another style would not help
	}{
		{config.AuthStyleHeader, reply{status: 401, body: `{"error": "invalid_client"}`}, "set `auth_style: params`"},
		{config.AuthStyleHeader, reply{status: 401}, "set `auth_style: params`"},
		{config.AuthStyleHeader, reply{status: 400, body: `{"error": "invalid_request"}`}, "set `auth_style: params`"},
		{config.AuthStyleHeader, reply{status: 400, body: `{"error": "invalid_grant"}`}, ""},
		{config.AuthStyleHeader, reply{status: 400, body: `{"error": "invalid_scope"}`}, ""},
		{config.AuthStyleHeader, reply{status: 503}, ""},
		{config.AuthStyleParams, reply{status: 401, body: `{"error": "invalid_client"}`}, "set `auth_style: header`"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &authServer{response: c.response}
			p := a.proberOf(t, func(o *config.OAuth2) { o.AuthStyle = c.style })
			r := mustProbe(t, p)
			if advises := strings.Contains(r.Advice, "auth_style"); advises != (c.advice != "") || !strings.Contains(r.Advice, c.advice) {
				t.Errorf("%s %v: advice %q, want … %s …", c.style, c.response, r.Advice, c.advice)
			}
			if _, requests := a.counts(); requests != 1 {
				t.Errorf("%s %v: %d requests, want 1", c.style, c.response, requests)
			}
		})
	}
}

// A server may quote any part of the request. The secrets in it are masked, in diagnoses and
// traces: see checkResult.
func TestOAuthQuotedSecretsAreMasked(t *testing.T) {
	const current, param = canaryClient + "+%/ é", canaryPassword + "&\"< ü"
	for _, style := range []config.AuthStyle{config.AuthStyleHeader, config.AuthStyleParams} {
		for _, status := range []int{200, 400, 401, 500} {
			synctest.Test(t, func(t *testing.T) {
				a := &authServer{response: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					id, password, _ := r.BasicAuth()
					quoted, _ := json.Marshal(fmt.Sprint(r.Header, r.Form.Encode(), r.Form, id, ":", password))
					w.WriteHeader(status)
					_, _ = fmt.Fprintf(w, `{"error": "invalid_request", "error_description": %s, "access_token": %q}`, quoted, canaryToken)
				})}
				p := a.proberOf(t, func(o *config.OAuth2) {
					o.AuthStyle, o.EndpointParams = style, map[string]secret.Secret{"password": secret.New(param)}
				})
				p.credential.Secret.Inline = secret.New(current)
				r := mustProbe(t, p)
				if r.State == sessionapi.Valid || !strings.Contains(r.Diagnosis, mask.Masked) || len(r.Steps) != 1 || r.Steps[0].Trace == nil {
					t.Errorf("%s %d: want one failed step with a trace, and a masked secret: %+v", style, status, r)
				}
			})
		}
	}
}

// A token request does not change the expiry of the appliance's certificate.
func TestTokenRequestDoesNotChangeCertificateExpiry(t *testing.T) {
	p := (&authServer{}).prober(t)
	x := p.credential.oauth.prepare(secret.New(canaryClient), secret.Secret{})
	x.Err, x.CertificateExpiry = errors.New("untrusted"), time.Now()
	r := new(Result)
	p.receive(r, x)
	if !r.CertificateExpiry.IsZero() {
		t.Errorf("the appliance's certificate expires %s", r.CertificateExpiry)
	}
}
