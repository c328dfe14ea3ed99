package probe

import (
	"net/http"
	"testing"

	"session_exporter/probe/transport"
	"session_exporter/simulator/apipages"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// A way is an API and how to authenticate to it.
type way struct {
	api  string
	auth sessionapi.Auth
}

var ways = []way{
	{"hcx", sessionapi.AuthLogin},
	{"hcx", sessionapi.AuthBasic},
	{"hcx", sessionapi.AuthToken},
	{"hcx", sessionapi.AuthBearer},
	{"dr", sessionapi.AuthLogin},
	{"dr", sessionapi.AuthToken},
}

func (w way) String() string { return w.api + "/" + string(w.auth) }

func (w way) endpoint() *config.Endpoint { return endpointFor(w.api, w.auth) }

// login returns the response to a successful login.
func (w way) login() reply {
	if w.api == "hcx" {
		return reply{http.StatusOK, map[string]string{"x-hm-authorization": canaryToken}, hcxOK}
	}
	return reply{status: http.StatusOK, body: `{"session_id": "` + canaryToken + `"}`}
}

// logout returns the response to a successful logout.
func (w way) logout() reply {
	if w.api == "hcx" {
		return reply{status: http.StatusOK, body: `{"success": true, "completed": true, "time": 1753089693083, "version": "1.0"}`}
	}
	return reply{status: http.StatusNoContent}
}

// check returns the response to a check of a valid session.
func (w way) check() reply {
	if w.api == "hcx" {
		return reply{status: http.StatusOK, body: hcxOK}
	}
	return reply{status: http.StatusOK, body: drOK}
}

// The bodies that the references of the APIs publish.
var (
	hcxOK           = apipages.HCXSession
	hcxUnauthorized = apipages.HCXUnauthorized
	hcxInternal     = apipages.HCXInternalError
	drOK            = apipages.DRSession
	drError         = apipages.DRError
)

// hcxFailure returns a body of HCX with an error code.
func hcxFailure(code string) string {
	return `{"success": false, "completed": false, "time": 1753089693083, "version": "1.0", "errorCode": "` + code + `", "error": "as it says"}`
}

// documented has the documented responses to a check, and the state if it presents a session or
// a token. With HTTP Basic, the state is CredentialsRejected in place of SessionExpired.
var documented = []struct {
	name   string
	api    string
	status int
	body   string
	state  sessionapi.State
	code   string
}{
	{"200", "hcx", 200, hcxOK, sessionapi.Valid, ""},
	{"400", "hcx", 400, hcxFailure("BAD_REQUEST"), sessionapi.BadRequest, "BAD_REQUEST"},
	{"401 token", "hcx", 401, hcxUnauthorized, sessionapi.SessionExpired, "INVALID_SESSION_TOKEN"},
	{"401 credentials", "hcx", 401, hcxFailure("INVALID_CREDENTIALS"), sessionapi.SessionExpired, "INVALID_CREDENTIALS"},
	{"403", "hcx", 403, hcxFailure("NOT_ENOUGH_PRIVILEGES"), sessionapi.Forbidden, "NOT_ENOUGH_PRIVILEGES"},
	{"500", "hcx", 500, hcxInternal, sessionapi.ServerError, "INTERNAL_SERVER_ERROR"},
	{"200 with an error code", "hcx", 200, hcxUnauthorized, sessionapi.SessionExpired, "INVALID_SESSION_TOKEN"},
	{"200", "dr", 200, drOK, sessionapi.Valid, ""},
	{"400", "dr", 400, drError, sessionapi.SessionExpired, "string"},
	{"400 malformed", "dr", 400, `{"error_code": "BAD_REQUEST"}`, sessionapi.BadRequest, "BAD_REQUEST"},
	{"401", "dr", 401, "", sessionapi.SessionExpired, ""},
	{"403", "dr", 403, "", sessionapi.Forbidden, ""},
	{"500", "dr", 500, drError, sessionapi.ServerError, "string"},
}

func TestDocumentedResponses(t *testing.T) {
	for _, w := range ways {
		for _, c := range documented {
			if c.api != w.api {
				continue
			}
			t.Run(w.String()+"/"+c.name, func(t *testing.T) {
				check := reply{status: c.status, body: c.body}
				appliance := &handwritten{
					get: []http.Handler{check}, post: []http.Handler{w.login()}, del: []http.Handler{w.logout()},
				}
				want := c.state
				if w.auth == sessionapi.AuthBasic && want == sessionapi.SessionExpired {
					want = sessionapi.CredentialsRejected
				}
				r := mustProbe(t, piped(t, w.endpoint(), appliance))
				last, _ := r.Last()
				if r.State != want || last.Code != c.code || last.Status != c.status {
					t.Errorf("state %s, code %q, status %d; want %s, %q, %d\n%s", r.State, last.Code, last.Status, want, c.code, c.status, r.Diagnosis)
				}
				if r.State.Verdict() != want.Verdict() {
					t.Errorf("verdict %s, want %s", r.State.Verdict(), want.Verdict())
				}
				// A refused session is renewed once.
				if refused := w.auth == sessionapi.AuthLogin && want.Verdict() == sessionapi.Refused; refused != (r.Expirations == 2) || refused != (r.Logins == 2) {
					t.Errorf("%d logins, %d expirations, want two of each: %t", r.Logins, r.Expirations, refused)
				}
			})
		}
	}
}

// The requests are those that the references document.
func TestRequests(t *testing.T) {
	const basic = "Basic YWxpY2U6Y2FuYXJ5LXBhc3N3MHJk"
	for _, c := range []struct {
		way
		sent, check map[string]string // headers of the login and of what follows
		body        string
	}{
		{way{"hcx", sessionapi.AuthLogin}, map[string]string{"Content-Type": "application/json", "Authorization": ""}, map[string]string{"X-Hm-Authorization": canaryToken}, `{"username":"alice","password":"canary-passw0rd","authType":"vsphere"}`},
		{way{"hcx", sessionapi.AuthBasic}, nil, map[string]string{"Authorization": basic}, ""},
		{way{"hcx", sessionapi.AuthToken}, nil, map[string]string{"X-Hm-Authorization": canaryToken, "Authorization": ""}, ""},
		{way{"hcx", sessionapi.AuthBearer}, nil, map[string]string{"Authorization": "Bearer " + canaryToken}, ""},
		{way{"dr", sessionapi.AuthLogin}, map[string]string{"Authorization": basic}, map[string]string{"X-Dr-Session": canaryToken, "Authorization": ""}, ""},
		{way{"dr", sessionapi.AuthToken}, nil, map[string]string{"X-Dr-Session": canaryToken, "Authorization": ""}, ""},
	} {
		t.Run(c.String(), func(t *testing.T) {
			e := c.endpoint()
			path := "/api/admin/v1/sessions"
			if c.api == "dr" {
				e.URL.Path = "/api/rest/srm/v2"
				path = "/api/rest/srm/v2/session"
			} else {
				e.Login = map[string]string{"auth_type": "vsphere"}
			}
			ok := reply{status: 200, body: hcxOK}
			if c.api == "dr" {
				ok.body = drOK
			}
			appliance := &handwritten{get: []http.Handler{ok}, post: []http.Handler{c.login()}, del: []http.Handler{c.logout()}}
			p := piped(t, e, appliance)
			if r := mustProbe(t, p); r.State != sessionapi.Valid {
				t.Fatalf("%s: %s", r.State, r.Diagnosis)
			}
			closeProber(t, p)
			want, expect := "GET", []map[string]string{c.check}
			if c.auth == sessionapi.AuthLogin {
				want, expect = "POST GET DELETE", []map[string]string{c.sent, c.check, c.check}
			}
			if got := appliance.methods(); got != want {
				t.Fatalf("requests: %s, want %s", got, want)
			}
			for i, headers := range expect {
				got := appliance.got[i]
				if got.URL.Path != path || got.Header.Get("Accept") != "application/json" || got.UserAgent() != transport.UserAgent || got.Header.Get("Idempotency-Key") != "" {
					t.Errorf("%s %s has headers %v", got.Method, got.URL.Path, got.Header)
				}
				for name, value := range headers {
					if got.Header.Get(name) != value {
						t.Errorf("%s: header %s is %q, want %q", got.Method, name, got.Header.Get(name), value)
					}
				}
			}
			if appliance.body[0] != c.body {
				t.Errorf("login body %s, want %s", appliance.body[0], c.body)
			}
		})
	}
}
