package probe

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/config"
)

// A published server answers each "METHOD /path" as a reference documents it.
// What it does not list is 404.
type published struct {
	answers map[string]reply

	mu  sync.Mutex // guards got
	got []string
}

func (p *published) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	asked := r.Method + " " + r.URL.RequestURI()
	p.mu.Lock()
	p.got = append(p.got, strings.TrimSpace(asked+" "+string(body)))
	p.mu.Unlock()
	answer, ok := p.answers[asked]
	if !ok {
		answer = reply{status: http.StatusNotFound}
	}
	answer.ServeHTTP(w, r)
}

type catalogued struct {
	name, api string
	auth      config.Auth
	answers   map[string]reply
	state     State
	why       string // part of the diagnosis
	got       []string
}

func json200(body string) reply { return reply{status: 200, body: body} }

var (
	withToken = func(header string) map[string]string { return map[string]string{header: canaryToken} }
	nsxGiven  = reply{200, map[string]string{"Set-Cookie": "JSESSIONID=" + canaryToken + "; Path=/; Secure; HttpOnly", "X-XSRF-TOKEN": canaryToken + "x"}, ""}
	nsxWrong  = reply{403, nil, `{"module_name": "common-services", "error_message": "The credentials were incorrect or the account specified has been locked.", "error_code": 403}`}
)

const (
	vcdSessions = "/cloudapi/1.0.0/sessions"
	bmcSessions = "/redfish/v1/SessionService/Sessions"
	reviews     = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews"
	lookup      = "/v1/auth/token/lookup-self"
)

// catalogue are answers as the published references have them.
var catalogue = []catalogued{
	{"valid", "cloud-director", config.AuthLogin, map[string]reply{
		"POST " + vcdSessions:                {200, withToken("X-VMWARE-VCLOUD-ACCESS-TOKEN"), `{"user": {"name": "alice"}}`},
		"GET " + vcdSessions + "/current":    json200(`{"id": "urn:vcloud:session:1", "user": {"name": "alice", "id": "urn:vcloud:user:1"}, "org": {"name": "acme"}, "roles": ["vApp User"], "sessionIdleTimeoutMinutes": 30}`),
		"DELETE " + vcdSessions + "/current": {status: 204},
	}, Valid, "", []string{"POST " + vcdSessions, "GET " + vcdSessions + "/current", "DELETE " + vcdSessions + "/current"}},
	{"403 of nobody", "cloud-director", config.AuthToken, map[string]reply{
		"GET " + vcdSessions + "/current": {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "User is not authenticated"}`},
	}, SessionExpired, "not authenticated", nil},
	{"403", "cloud-director", config.AuthToken, map[string]reply{
		"GET " + vcdSessions + "/current": {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "no right"}`},
	}, Forbidden, "", nil},

	{"valid", "cloud-director-availability", config.AuthLogin, map[string]reply{
		"POST /sessions":   {200, withToken("X-VCAV-Auth"), `{"user": "alice", "roles": ["ADMINISTRATORS"]}`},
		"GET /sessions":    json200(`{"user": "alice", "roles": ["ADMINISTRATORS"], "authenticatedSites": [{"site": "a", "org": "acme"}, {"site": "b"}]}`),
		"DELETE /sessions": {status: 204},
	}, Valid, "", []string{`POST /sessions {"type":"localUser","localUser":"alice","localPassword":"canary-passw0rd"}`, "GET /sessions", "DELETE /sessions"}},
	{"refused", "cloud-director-availability", config.AuthToken, map[string]reply{
		"GET /sessions": {401, nil, `{"code": "NotAuthenticated", "msg": "Not authenticated.", "args": [], "stacktrace": null}`},
	}, SessionExpired, "NotAuthenticated", nil},

	{"valid", "nsx", config.AuthLogin, map[string]reply{
		"POST /api/session/create":         nsxGiven,
		"GET /policy/api/v1/aaa/user-info": json200(`{"user_name": "alice", "roles": [{"role": "auditor", "permissions": ["read-api"]}]}`),
		"GET /api/session/destroy":         {status: 200},
	}, Valid, "", []string{"POST /api/session/create j_username=alice&j_password=canary-passw0rd", "GET /policy/api/v1/aaa/user-info", "GET /api/session/destroy"}},
	{"wrong password", "nsx", config.AuthLogin, map[string]reply{"POST /api/session/create": nsxWrong}, CredentialsRejected, "credentials were incorrect", nil},
	{"no right", "nsx", config.AuthBasic, map[string]reply{
		"GET /policy/api/v1/aaa/user-info": {403, nil, `{"error_message": "The user does not have permission", "error_code": 289}`},
	}, Forbidden, "403 289", nil},

	{"valid", "redfish", config.AuthLogin, map[string]reply{
		"POST " + bmcSessions:           {201, map[string]string{"X-Auth-Token": canaryToken, "Location": bmcSessions + "/17"}, `{"Id": "17", "UserName": "alice"}`},
		"GET " + bmcSessions + "/17":    json200(`{"@odata.id": "` + bmcSessions + `/17", "Id": "17", "UserName": "alice"}`),
		"DELETE " + bmcSessions + "/17": {status: 204},
	}, Valid, "", []string{`POST ` + bmcSessions + ` {"UserName":"alice","Password":"canary-passw0rd"}`, "GET " + bmcSessions + "/17", "DELETE " + bmcSessions + "/17"}},
	{"no slot", "redfish", config.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {400, nil, `{"error": {"code": "Base.1.8.SessionLimitExceeded", "message": "limit"}}`},
	}, ServerError, "no session left", nil},
	{"wrong password", "redfish", config.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {401, nil, `{"error": {"code": "Base.1.8.GeneralError", "message": "See @Message.ExtendedInfo"}}`},
	}, CredentialsRejected, "", nil},

	{"active", "introspection", config.AuthBearer, map[string]reply{
		"POST /introspect": json200(`{"active": true, "client_id": "ci", "sub": "alice", "scope": "read write", "exp": 4102444800}`),
	}, Valid, `"alice"`, []string{"POST /introspect token=canary-t0ken"}},
	{"inactive, with an end", "introspection", config.AuthBearer, map[string]reply{
		"POST /introspect": json200(`{"active": false, "username": "alice", "exp": 4102444800}`),
	}, SessionExpired, "nobody is logged in", nil},

	{"valid", "userinfo", config.AuthBearer, map[string]reply{
		"GET /userinfo": json200(`{"sub": "248289761001", "preferred_username": "alice", "groups": ["dev"]}`),
	}, Valid, `"alice"`, nil},
	{"expired", "userinfo", config.AuthBearer, map[string]reply{
		"GET /userinfo": {403, map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="The Access Token expired"`}, ""},
	}, SessionExpired, "", nil},

	{"malformed", "userinfo", config.AuthBearer, map[string]reply{
		"GET /userinfo": {400, nil, `{"error": "invalid_request"}`},
	}, BadRequest, "invalid_request", nil},
	{"invalid_request of an expired token", "userinfo", config.AuthBearer, map[string]reply{
		"GET /userinfo": {401, nil, `{"error": "invalid_request", "error_description": "The token is expired"}`},
	}, SessionExpired, "The token is expired", nil},

	{"valid", "kubernetes", config.AuthBearer, map[string]reply{
		reviews: {201, nil, `{"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "alice", "groups": ["system:authenticated"]}}}`},
	}, Valid, `"alice"`, []string{reviews + ` {"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`}},
	{"refused", "kubernetes", config.AuthBearer, map[string]reply{
		reviews: {401, nil, `{"kind": "Status", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}`},
	}, SessionExpired, "401 Unauthorized", nil},
	{"anonymous", "kubernetes", config.AuthBearer, map[string]reply{
		reviews: {201, nil, `{"status": {"userInfo": {"username": "system:anonymous", "groups": ["system:unauthenticated"]}}}`},
	}, SessionExpired, "nobody but", nil},

	{"valid", "zerto", config.AuthLogin, map[string]reply{
		"POST /v1/session/add": {200, withToken("x-zerto-session"), ""},
		"GET /v1/localsite":    json200(`{"SiteIdentifier": "1-2-3", "SiteName": "a", "Version": "9.7"}`),
		"DELETE /v1/session":   {status: 200},
	}, Valid, "", []string{"POST /v1/session/add", "GET /v1/localsite", "DELETE /v1/session"}},

	{"valid", "vault", config.AuthLogin, map[string]reply{
		"POST /v1/auth/userpass/login/alice": json200(`{"auth": {"client_token": "` + canaryToken + `", "policies": ["default"]}, "data": null}`),
		"GET " + lookup:                      json200(`{"data": {"id": "` + canaryToken + `", "display_name": "userpass-alice", "policies": ["default"], "expire_time": "2100-01-01T00:00:00.123456789Z"}}`),
		"POST /v1/auth/token/revoke-self":    {status: 204},
	}, Valid, "userpass-alice", []string{`POST /v1/auth/userpass/login/alice {"password":"canary-passw0rd"}`, "GET " + lookup, "POST /v1/auth/token/revoke-self"}},
	{"root", "vault", config.AuthToken, map[string]reply{
		"GET " + lookup: json200(`{"data": {"display_name": "root", "policies": ["root"], "expire_time": null}}`),
	}, Valid, "root", nil},
	{"expired", "vault", config.AuthToken, map[string]reply{"GET " + lookup: {403, nil, `{"errors": ["permission denied"]}`}}, SessionExpired, "permission denied", nil},
	{"sealed", "vault", config.AuthToken, map[string]reply{"GET " + lookup: {503, nil, `{"errors": ["Vault is sealed"]}`}}, ServerError, "Vault is sealed", nil},
	{"wrong password", "vault", config.AuthLogin, map[string]reply{
		"POST /v1/auth/userpass/login/alice": {400, nil, `{"errors": ["invalid username or password"]}`},
	}, CredentialsRejected, "", nil},

	{"valid", "github", config.AuthBearer, map[string]reply{
		"GET /user": {200, map[string]string{"Github-Authentication-Token-Expiration": "2100-01-01 00:00:00 UTC", "X-OAuth-Scopes": "repo, read:org"}, `{"login": "alice", "id": 1}`},
	}, Valid, `"alice"`, nil},
	{"revoked", "github", config.AuthBearer, map[string]reply{"GET /user": {401, nil, `{"message": "Bad credentials", "status": "401"}`}}, SessionExpired, "Bad credentials", nil},
	{"limited", "github", config.AuthBearer, map[string]reply{
		"GET /user": {403, map[string]string{"X-RateLimit-Remaining": "0"}, `{"message": "API rate limit exceeded"}`},
	}, RateLimited, "", nil},

	{"valid", "grafana", config.AuthBearer, map[string]reply{
		"GET /api/user": json200(`{"id": 2, "login": "sa-1-automation", "orgId": 1, "isGrafanaAdmin": false, "isDisabled": false}`),
	}, Valid, "sa-1-automation", nil},
	{"expired", "grafana", config.AuthBearer, map[string]reply{
		"GET /api/user": {401, nil, `{"message": "Expired API key", "messageId": "api-key.expired", "statusCode": 401, "traceID": ""}`},
	}, SessionExpired, "api-key.expired", nil},

	{"valid", "vcenter-rest", config.AuthLogin, map[string]reply{
		"POST /rest/com/vmware/cis/session":   json200(`{"value": "` + canaryToken + `"}`),
		"GET /rest/com/vmware/cis/session":    json200(`{"value": {"user": "alice", "created_time": "2026-01-01T00:00:00Z"}}`),
		"DELETE /rest/com/vmware/cis/session": {status: 200},
	}, Valid, "", nil},
	{"refused", "vcenter-rest", config.AuthToken, map[string]reply{
		"GET /rest/com/vmware/cis/session": {401, nil, `{"type": "com.vmware.vapi.std.errors.unauthenticated", "value": {"messages": [{"default_message": "Authentication required."}]}}`},
	}, SessionExpired, "Authentication required.", nil},

	{"valid", "vcenter", config.AuthLogin, map[string]reply{
		"POST /api/session":   {201, nil, `"` + canaryToken + `"`},
		"GET /api/session":    json200(`{"user": "alice", "created_time": "2026-01-01T00:00:00Z", "last_accessed_time": "2026-01-01T00:00:00Z"}`),
		"DELETE /api/session": {status: 204},
	}, Valid, "", []string{"POST /api/session", "GET /api/session", "DELETE /api/session"}},
	{"refused", "vcenter", config.AuthToken, map[string]reply{
		"GET /api/session": {401, nil, `{"error_type": "UNAUTHENTICATED", "messages": [{"args": [], "default_message": "Authentication required.", "id": "x"}]}`},
	}, SessionExpired, "Authentication required.", nil},
	{"refused without words", "vcenter", config.AuthLogin, map[string]reply{
		"POST /api/session": {401, nil, `{"error_type": "UNAUTHENTICATED", "messages": []}`},
	}, CredentialsRejected, "", nil},
}

// The definitions of the catalogue read what the references document, on servers
// that were written from them: no real one can be had here.
func TestCatalogue(t *testing.T) {
	for _, c := range catalogue {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			e := endpointFor(c.api, c.auth)
			e.Custom = definition(c.api)
			if !slices.Contains(e.Custom.API.Auth, c.auth) {
				t.Fatalf("%s has no auth %s", c.api, c.auth)
			}
			server := &published{answers: c.answers}
			p := piped(t, e, server)
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
			ends := map[string]bool{"introspection": true, "vault": c.auth == config.AuthLogin, "github": true}[c.api] && c.state == Valid
			if end := r.CredentialExpiries["api"]; end.Truncate(time.Second).Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) != ends || end.IsZero() == ends {
				t.Errorf("it ends %s", end)
			}
			closeProber(t, p)
			if c.got != nil && !slices.Equal(server.got, c.got) {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(server.got, "\n"), strings.Join(c.got, "\n"))
			}
		})
	}
}
