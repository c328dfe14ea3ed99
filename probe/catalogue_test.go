package probe

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/sessionapi"
)

// published serves the documented response to each "METHOD /path", and 404 to all other
// requests. It records the requests with their bodies.
type published struct {
	responses map[string]reply

	mu  sync.Mutex // guards got
	got []string
}

func (p *published) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	request := r.Method + " " + r.URL.RequestURI()
	p.mu.Lock()
	p.got = append(p.got, strings.TrimSpace(request+" "+string(body)))
	p.mu.Unlock()
	response, ok := p.responses[request]
	if !ok {
		response = reply{status: http.StatusNotFound}
	}
	response.ServeHTTP(w, r)
}

// catalogued is a probe of an API of the catalogue, with the responses of the appliance.
type catalogued struct {
	name, api string
	auth      sessionapi.Auth
	responses map[string]reply
	state     sessionapi.State
	why       string   // part of the diagnosis
	requests  []string // expected; nil for any
}

// json200 returns a response with the status 200.
func json200(body string) reply { return reply{status: 200, body: body} }

var (
	withToken = func(header string) map[string]string { return map[string]string{header: canaryToken} }
	nsxGiven  = reply{200, map[string]string{"Set-Cookie": "JSESSIONID=" + canaryToken + "; Path=/; Secure; HttpOnly", "X-XSRF-TOKEN": canaryToken + "x"}, ""}
	awxForm   = reply{200, map[string]string{"Set-Cookie": "csrftoken=canary-csrf-1; Path=/; SameSite=Lax; Secure"}, "<!DOCTYPE html><html></html>"}
	nsxWrong  = reply{403, nil, `{"module_name": "common-services", "error_message": "The credentials were incorrect or the account specified has been locked.", "error_code": 403}`}
)

const (
	vcdSessions = "/cloudapi/1.0.0/sessions"
	bmcSessions = "/redfish/v1/SessionService/Sessions"
	reviews     = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews"
	lookup      = "/v1/auth/token/lookup-self"
	ariaLogin   = "/csp/gateway/am/api/login?access_token"
	ariaUser    = "/csp/gateway/am/api/loggedin/user"
)

// catalogue has responses that the published references document.
var catalogue = []catalogued{
	{"valid", "cloud-director", sessionapi.AuthLogin, map[string]reply{
		"POST " + vcdSessions:                {200, withToken("X-VMWARE-VCLOUD-ACCESS-TOKEN"), `{"user": {"name": "alice"}}`},
		"GET " + vcdSessions + "/current":    json200(`{"id": "urn:vcloud:session:1", "user": {"name": "alice", "id": "urn:vcloud:user:1"}, "org": {"name": "acme"}, "roles": ["vApp User"], "sessionIdleTimeoutMinutes": 30}`),
		"DELETE " + vcdSessions + "/current": {status: 204},
	}, sessionapi.Valid, "", []string{"POST " + vcdSessions, "GET " + vcdSessions + "/current", "DELETE " + vcdSessions + "/current"}},
	{"403 without a user", "cloud-director", sessionapi.AuthToken, map[string]reply{
		"GET " + vcdSessions + "/current": {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "User is not authenticated"}`},
	}, sessionapi.SessionExpired, "not authenticated", nil},
	{"403", "cloud-director", sessionapi.AuthToken, map[string]reply{
		"GET " + vcdSessions + "/current": {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "no right"}`},
	}, sessionapi.Forbidden, "", nil},

	{"valid", "cloud-director-availability", sessionapi.AuthLogin, map[string]reply{
		"POST /sessions":   {200, withToken("X-VCAV-Auth"), `{"user": "alice", "roles": ["ADMINISTRATORS"]}`},
		"GET /sessions":    json200(`{"user": "alice", "roles": ["ADMINISTRATORS"], "authenticatedSites": [{"site": "a", "org": "acme"}, {"site": "b"}]}`),
		"DELETE /sessions": {status: 204},
	}, sessionapi.Valid, "", []string{`POST /sessions {"type":"localUser","localUser":"alice","localPassword":"canary-passw0rd"}`, "GET /sessions", "DELETE /sessions"}},
	{"refused", "cloud-director-availability", sessionapi.AuthToken, map[string]reply{
		"GET /sessions": {401, nil, `{"code": "NotAuthenticated", "msg": "Not authenticated.", "args": [], "stacktrace": null}`},
	}, sessionapi.SessionExpired, "NotAuthenticated", nil},

	{"valid", "nsx", sessionapi.AuthLogin, map[string]reply{
		"POST /api/session/create":         nsxGiven,
		"GET /policy/api/v1/aaa/user-info": json200(`{"user_name": "alice", "roles": [{"role": "auditor", "permissions": ["read-api"]}]}`),
		"GET /api/session/destroy":         {status: 200},
	}, sessionapi.Valid, "", []string{"POST /api/session/create j_username=alice&j_password=canary-passw0rd", "GET /policy/api/v1/aaa/user-info", "GET /api/session/destroy"}},
	{"wrong password", "nsx", sessionapi.AuthLogin, map[string]reply{"POST /api/session/create": nsxWrong}, sessionapi.CredentialsRejected, "credentials were incorrect", nil},
	{"no permission", "nsx", sessionapi.AuthBasic, map[string]reply{
		"GET /policy/api/v1/aaa/user-info": {403, nil, `{"error_message": "The user does not have permission", "error_code": 289}`},
	}, sessionapi.Forbidden, "403 289", nil},

	{"valid", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions:           {201, map[string]string{"X-Auth-Token": canaryToken, "Location": bmcSessions + "/17"}, `{"Id": "17", "UserName": "alice"}`},
		"GET " + bmcSessions + "/17":    json200(`{"@odata.id": "` + bmcSessions + `/17", "Id": "17", "UserName": "alice"}`),
		"DELETE " + bmcSessions + "/17": {status: 204},
	}, sessionapi.Valid, "", []string{`POST ` + bmcSessions + ` {"UserName":"alice","Password":"canary-passw0rd"}`, "GET " + bmcSessions + "/17", "DELETE " + bmcSessions + "/17"}},
	{"session limit", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {400, nil, `{"error": {"code": "Base.1.8.SessionLimitExceeded", "message": "limit"}}`},
	}, sessionapi.ServerError, "no session left", nil},
	{"wrong password", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {401, nil, `{"error": {"code": "Base.1.8.GeneralError", "message": "See @Message.ExtendedInfo"}}`},
	}, sessionapi.CredentialsRejected, "", nil},

	{"refused in the first message", "redfish", sessionapi.AuthLogin, map[string]reply{"POST " + bmcSessions: {400, nil, redfishRefused}}, sessionapi.CredentialsRejected, "Vendor.1.0.UnauthorizedLoginAttempt", nil},
	{"refused in the code alone", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {400, nil, `{"error": {"code": "iLO.2.8.UnauthorizedLoginAttempt"}}`},
	}, sessionapi.CredentialsRejected, "iLO.2.8.UnauthorizedLoginAttempt", nil},
	{"refused in a message's words", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {400, nil, `{"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [{"MessageId": "IDRAC.2.8.SYS999", "Message": "The user account is locked."}]}}`},
	}, sessionapi.CredentialsRejected, "account is locked", nil},
	{"malformed", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {400, nil, `{"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [{"MessageId": "Base.1.8.MalformedJSON"}]}}`},
	}, sessionapi.BadRequest, "MalformedJSON", nil},
	{"no permission to log in", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {403, nil, `{"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [{"MessageId": "Base.1.8.InsufficientPrivilege"}]}}`},
	}, sessionapi.Forbidden, "InsufficientPrivilege", nil},
	{"session limit in a message", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {503, nil, `{"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [{"MessageId": "Base.1.8.SessionLimitExceeded"}]}}`},
	}, sessionapi.ServerError, "SessionLimitExceeded", nil},
	{"an error of another type", "redfish", sessionapi.AuthLogin, map[string]reply{"POST " + bmcSessions: {403, nil, `{"error": "no"}`}}, sessionapi.CredentialsRejected, "403", nil},
	{"messages of another type", "redfish", sessionapi.AuthLogin, map[string]reply{
		"POST " + bmcSessions: {401, nil, `{"error": {"@Message.ExtendedInfo": "no"}}`},
	}, sessionapi.CredentialsRejected, "401", nil},

	{"locked", "couchdb", sessionapi.AuthLogin, map[string]reply{"POST /_session": {403, nil, couchdbLocked}}, sessionapi.CredentialsRejected, "locked for a while", nil},
	{"malformed", "couchdb", sessionapi.AuthLogin, map[string]reply{"POST /_session": {400, nil, `{"error": "bad_request", "reason": "invalid UTF-8 JSON"}`}}, sessionapi.BadRequest, "bad_request", nil},
	{"no permission", "couchdb", sessionapi.AuthToken, map[string]reply{"GET /_session": {403, nil, `{"error": "forbidden", "reason": "You are not allowed to access this db."}`}}, sessionapi.Forbidden, "not allowed", nil},

	{"no permission to log in", "cloud-director", sessionapi.AuthLogin, map[string]reply{
		"POST " + vcdSessions: {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "Either you need some or all of the following rights"}`},
	}, sessionapi.Forbidden, "rights", nil},
	{"wrong password with 403", "cloud-director", sessionapi.AuthLogin, map[string]reply{
		"POST " + vcdSessions: {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "User is not authenticated"}`},
	}, sessionapi.CredentialsRejected, "not authenticated", nil},
	{"locked", "cloud-director", sessionapi.AuthLogin, map[string]reply{
		"POST " + vcdSessions: {403, nil, `{"minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "The account is locked"}`},
	}, sessionapi.CredentialsRejected, "locked", nil},
	{"wrong password", "cloud-director-availability", sessionapi.AuthLogin, map[string]reply{
		"POST /sessions": {401, nil, `{"code": "NotAuthenticated", "msg": "Not authenticated."}`},
	}, sessionapi.CredentialsRejected, "NotAuthenticated", nil},
	{"locked", "nsx", sessionapi.AuthLogin, map[string]reply{
		"POST /api/session/create": {403, nil, `{"error_message": "The account is disabled", "error_code": 403}`},
	}, sessionapi.CredentialsRejected, "disabled", nil},
	{"wrong password", "nsx", sessionapi.AuthBasic, map[string]reply{"GET /policy/api/v1/aaa/user-info": nsxWrong}, sessionapi.CredentialsRejected, "credentials were incorrect", nil},
	{"wrong password without words", "nsx", sessionapi.AuthLogin, map[string]reply{"POST /api/session/create": {status: 403}}, sessionapi.CredentialsRejected, "403", nil},
	{"wrong password", "zerto", sessionapi.AuthLogin, map[string]reply{"POST /v1/session/add": {401, nil, `{"Message": "Authentication failed"}`}}, sessionapi.CredentialsRejected, "Authentication failed", nil},
	{"no permission", "grafana", sessionapi.AuthBasic, map[string]reply{
		"GET /api/user": {403, nil, `{"message": "You'll need additional permissions to perform this action.", "messageId": "accesscontrol.Access0"}`},
	}, sessionapi.Forbidden, "permissions", nil},
	{"wrong password", "grafana", sessionapi.AuthBasic, map[string]reply{
		"GET /api/user": {401, nil, `{"message": "Invalid username or password", "messageId": "password-auth.failed"}`},
	}, sessionapi.CredentialsRejected, "password-auth.failed", nil},
	{"locked", "vault", sessionapi.AuthLogin, map[string]reply{"POST /v1/auth/userpass/login/alice": {403, nil, `{"errors": ["permission denied"]}`}}, sessionapi.CredentialsRejected, "permission denied", nil},
	{"no permission to log in", "vcenter", sessionapi.AuthLogin, map[string]reply{"POST /api/session": {403, nil, vcenterUnauthorized}}, sessionapi.Forbidden, "UNAUTHORIZED", nil},
	{"403", "vcenter", sessionapi.AuthLogin, map[string]reply{"POST /api/session": {status: 403}}, sessionapi.CredentialsRejected, "403", nil},
	{"locked", "vcenter-rest", sessionapi.AuthLogin, map[string]reply{
		"POST /rest/com/vmware/cis/session": {403, nil, `{"type": "com.vmware.vapi.std.errors.unauthorized", "value": {"messages": [{"default_message": "The account is locked."}]}}`},
	}, sessionapi.CredentialsRejected, "locked", nil},

	{"active", "introspection", sessionapi.AuthBearer, map[string]reply{
		"POST /introspect": json200(`{"active": true, "client_id": "ci", "sub": "alice", "scope": "read write", "exp": 4102444800}`),
	}, sessionapi.Valid, `"alice"`, []string{"POST /introspect token=canary-t0ken"}},
	{"inactive, with an expiry", "introspection", sessionapi.AuthBearer, map[string]reply{
		"POST /introspect": json200(`{"active": false, "username": "alice", "exp": 4102444800}`),
	}, sessionapi.SessionExpired, "`authenticated` is false", nil},

	{"valid", "userinfo", sessionapi.AuthBearer, map[string]reply{
		"GET /userinfo": json200(`{"sub": "248289761001", "preferred_username": "alice", "groups": ["dev"]}`),
	}, sessionapi.Valid, `"alice"`, nil},
	{"expired", "userinfo", sessionapi.AuthBearer, map[string]reply{
		"GET /userinfo": {403, map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="The Access Token expired"`}, ""},
	}, sessionapi.SessionExpired, "", nil},

	{"malformed", "userinfo", sessionapi.AuthBearer, map[string]reply{
		"GET /userinfo": {400, nil, `{"error": "invalid_request"}`},
	}, sessionapi.BadRequest, "invalid_request", nil},
	{"invalid_request for an expired token", "userinfo", sessionapi.AuthBearer, map[string]reply{
		"GET /userinfo": {401, nil, `{"error": "invalid_request", "error_description": "The token is expired"}`},
	}, sessionapi.SessionExpired, "The token is expired", nil},

	{"valid", "kubernetes", sessionapi.AuthBearer, map[string]reply{
		reviews: {201, nil, `{"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "alice", "groups": ["system:authenticated"]}}}`},
	}, sessionapi.Valid, `"alice"`, []string{reviews + ` {"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`}},
	{"refused", "kubernetes", sessionapi.AuthBearer, map[string]reply{
		reviews: {401, nil, `{"kind": "Status", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}`},
	}, sessionapi.SessionExpired, "401 Unauthorized", nil},
	{"anonymous", "kubernetes", sessionapi.AuthBearer, map[string]reply{
		reviews: {201, nil, `{"status": {"userInfo": {"username": "system:anonymous", "groups": ["system:unauthenticated"]}}}`},
	}, sessionapi.SessionExpired, "only system:anonymous", nil},

	{"valid", "zerto", sessionapi.AuthLogin, map[string]reply{
		"POST /v1/session/add": {200, withToken("x-zerto-session"), ""},
		"GET /v1/localsite":    json200(`{"SiteIdentifier": "1-2-3", "SiteName": "a", "Version": "9.7"}`),
		"DELETE /v1/session":   {status: 200},
	}, sessionapi.Valid, "", []string{"POST /v1/session/add", "GET /v1/localsite", "DELETE /v1/session"}},

	{"valid", "vault", sessionapi.AuthLogin, map[string]reply{
		"POST /v1/auth/userpass/login/alice": json200(`{"auth": {"client_token": "` + canaryToken + `", "policies": ["default"]}, "data": null}`),
		"GET " + lookup:                      json200(`{"data": {"id": "` + canaryToken + `", "display_name": "userpass-alice", "policies": ["default"], "expire_time": "2100-01-01T00:00:00.123456789Z"}}`),
		"POST /v1/auth/token/revoke-self":    {status: 204},
	}, sessionapi.Valid, "userpass-alice", []string{`POST /v1/auth/userpass/login/alice {"password":"canary-passw0rd"}`, "GET " + lookup, "POST /v1/auth/token/revoke-self"}},
	{"root", "vault", sessionapi.AuthToken, map[string]reply{
		"GET " + lookup: json200(`{"data": {"display_name": "root", "policies": ["root"], "expire_time": null}}`),
	}, sessionapi.Valid, "root", nil},
	{"expired", "vault", sessionapi.AuthToken, map[string]reply{"GET " + lookup: {403, nil, `{"errors": ["permission denied"]}`}}, sessionapi.SessionExpired, "permission denied", nil},
	{"sealed", "vault", sessionapi.AuthToken, map[string]reply{"GET " + lookup: {503, nil, `{"errors": ["Vault is sealed"]}`}}, sessionapi.ServerError, "Vault is sealed", nil},
	{"wrong password", "vault", sessionapi.AuthLogin, map[string]reply{
		"POST /v1/auth/userpass/login/alice": {400, nil, `{"errors": ["invalid username or password"]}`},
	}, sessionapi.CredentialsRejected, "", nil},

	{"valid", "github", sessionapi.AuthBearer, map[string]reply{
		"GET /user": {200, map[string]string{"Github-Authentication-Token-Expiration": "2100-01-01 00:00:00 UTC", "X-OAuth-Scopes": "repo, read:org"}, `{"login": "alice", "id": 1}`},
	}, sessionapi.Valid, `"alice"`, nil},
	{"valid, the token's expiry with an offset", "github", sessionapi.AuthBearer, map[string]reply{
		"GET /user": {200, map[string]string{"Github-Authentication-Token-Expiration": "2100-01-01 02:00:00 +0200"}, `{"login": "alice", "id": 1}`},
	}, sessionapi.Valid, `"alice"`, nil},
	{"revoked", "github", sessionapi.AuthBearer, map[string]reply{"GET /user": {401, nil, `{"message": "Bad credentials", "status": "401"}`}}, sessionapi.SessionExpired, "Bad credentials", nil},
	{"limited", "github", sessionapi.AuthBearer, map[string]reply{
		"GET /user": {403, map[string]string{"X-RateLimit-Remaining": "0"}, `{"message": "API rate limit exceeded"}`},
	}, sessionapi.RateLimited, "", nil},

	{"valid", "grafana", sessionapi.AuthBearer, map[string]reply{
		"GET /api/user": json200(`{"id": 2, "login": "sa-1-automation", "orgId": 1, "isGrafanaAdmin": false, "isDisabled": false}`),
	}, sessionapi.Valid, "sa-1-automation", nil},
	{"expired", "grafana", sessionapi.AuthBearer, map[string]reply{
		"GET /api/user": {401, nil, `{"message": "Expired API key", "messageId": "api-key.expired", "statusCode": 401, "traceID": ""}`},
	}, sessionapi.SessionExpired, "api-key.expired", nil},

	{"valid", "awx", sessionapi.AuthLogin, map[string]reply{
		"GET /api/login/":  awxForm,
		"POST /api/login/": {302, map[string]string{"Location": "/api/", "Set-Cookie": "awx_sessionid=" + canaryToken + "; HttpOnly; Path=/; SameSite=Lax; Secure"}, ""},
		"GET /api/v2/me/":  json200(`{"count": 1, "results": [{"id": 3, "username": "alice", "is_superuser": false, "is_system_auditor": true}]}`),
		"GET /api/logout/": {302, map[string]string{"Location": "/api/login/"}, ""},
	}, sessionapi.Valid, `"alice"`, []string{"GET /api/login/", "POST /api/login/ username=alice&password=canary-passw0rd&next=%2Fapi%2F", "GET /api/v2/me/", "GET /api/logout/"}},
	{"wrong password", "awx", sessionapi.AuthLogin, map[string]reply{
		"GET /api/login/": awxForm, "POST /api/login/": {401, nil, "<!DOCTYPE html><html>Your username and password didn't match.</html>"},
	}, sessionapi.CredentialsRejected, "401", []string{"GET /api/login/", "POST /api/login/ username=alice&password=canary-passw0rd&next=%2Fapi%2F"}},
	{"the form again", "awx", sessionapi.AuthLogin, map[string]reply{
		"GET /api/login/": awxForm, "POST /api/login/": awxForm,
	}, sessionapi.CredentialsRejected, "it shows the form again", nil},
	{"CSRF verification failed", "awx", sessionapi.AuthLogin, map[string]reply{
		"GET /api/login/": awxForm, "POST /api/login/": {403, nil, "<!DOCTYPE html><html>CSRF verification failed. Request aborted.</html>"},
	}, sessionapi.InvalidResponse, "login (step 2 of 2)", nil},
	{"single sign-on in front of it", "awx", sessionapi.AuthLogin, map[string]reply{
		"GET /api/login/": {302, map[string]string{"Location": "https://sso.example.com/"}, ""},
	}, sessionapi.InvalidResponse, "login (step 1 of 2)", []string{"GET /api/login/"}},
	{"expired", "awx", sessionapi.AuthBearer, map[string]reply{
		"GET /api/v2/me/": {401, nil, `{"detail": "Authentication credentials were not provided. To establish a login session, visit /api/login/."}`},
	}, sessionapi.SessionExpired, "not provided", nil},

	{"valid", "aria-automation", sessionapi.AuthLogin, map[string]reply{
		"POST " + ariaLogin:    json200(`{"refresh_token": "canary-refresh"}`),
		"POST /iaas/api/login": json200(`{"tokenType": "Bearer", "token": "` + canaryToken + `"}`),
		"GET " + ariaUser:      json200(`{"username": "alice", "domain": "corp.example.com", "userId": "1"}`),
	}, sessionapi.Valid, `"alice"`, []string{
		`POST ` + ariaLogin + ` {"username":"alice","password":"canary-passw0rd"}`,
		`POST /iaas/api/login {"refreshToken":"canary-refresh"}`, "GET " + ariaUser,
	}},
	{"wrong password", "aria-automation", sessionapi.AuthLogin, map[string]reply{
		"POST " + ariaLogin: {400, nil, `{"message": "Invalid credentials", "statusCode": 400}`},
	}, sessionapi.CredentialsRejected, "Invalid credentials", []string{`POST ` + ariaLogin + ` {"username":"alice","password":"canary-passw0rd"}`}},
	{"an outage at the second step", "aria-automation", sessionapi.AuthLogin, map[string]reply{
		"POST " + ariaLogin: json200(`{"refresh_token": "canary-refresh"}`), "POST /iaas/api/login": {status: 503},
	}, sessionapi.ServerError, "step 2 of 2", nil},
	{"a refresh token that is not accepted", "aria-automation", sessionapi.AuthLogin, map[string]reply{
		"POST " + ariaLogin: json200(`{"refresh_token": "canary-refresh"}`), "POST /iaas/api/login": {400, nil, `{"message": "'refreshToken' is invalid", "statusCode": 400}`},
	}, sessionapi.BadRequest, "'refreshToken' is invalid", nil},
	{"expired", "aria-automation", sessionapi.AuthBearer, map[string]reply{"GET " + ariaUser: {status: 401}}, sessionapi.SessionExpired, "401", nil},

	{"valid", "vcenter-rest", sessionapi.AuthLogin, map[string]reply{
		"POST /rest/com/vmware/cis/session":   json200(`{"value": "` + canaryToken + `"}`),
		"GET /rest/com/vmware/cis/session":    json200(`{"value": {"user": "alice", "created_time": "2026-01-01T00:00:00Z"}}`),
		"DELETE /rest/com/vmware/cis/session": {status: 200},
	}, sessionapi.Valid, "", nil},
	{"refused", "vcenter-rest", sessionapi.AuthToken, map[string]reply{
		"GET /rest/com/vmware/cis/session": {401, nil, `{"type": "com.vmware.vapi.std.errors.unauthenticated", "value": {"messages": [{"default_message": "Authentication required."}]}}`},
	}, sessionapi.SessionExpired, "Authentication required.", nil},

	{"valid", "vcenter", sessionapi.AuthLogin, map[string]reply{
		"POST /api/session":   {201, nil, `"` + canaryToken + `"`},
		"GET /api/session":    json200(`{"user": "alice", "created_time": "2026-01-01T00:00:00Z", "last_accessed_time": "2026-01-01T00:00:00Z"}`),
		"DELETE /api/session": {status: 204},
	}, sessionapi.Valid, "", []string{"POST /api/session", "GET /api/session", "DELETE /api/session"}},
	{"refused", "vcenter", sessionapi.AuthToken, map[string]reply{
		"GET /api/session": {401, nil, `{"error_type": "UNAUTHENTICATED", "messages": [{"args": [], "default_message": "Authentication required.", "id": "x"}]}`},
	}, sessionapi.SessionExpired, "Authentication required.", nil},
	{"refused without words", "vcenter", sessionapi.AuthLogin, map[string]reply{
		"POST /api/session": {401, nil, `{"error_type": "UNAUTHENTICATED", "messages": []}`},
	}, sessionapi.CredentialsRejected, "", nil},
}

// GitHub reports the expiry of a token in any time zone, or not at all.
func TestGitHubTokenExpiry(t *testing.T) {
	for text, want := range map[string]int64{
		"2027-04-26 23:23:18 +0200": 1808774598,
		"2027-04-26 21:23:18 UTC":   1808774598,
		"2027-04-26 16:23:18 -0500": 1808774598,
		"":                          0,
		"never":                     0,
		"2027-04-26":                0,
	} {
		e := endpointFor("github", sessionapi.AuthBearer)
		e.SessionAPI = definition("github")
		response := reply{200, map[string]string{"GitHub-Authentication-Token-Expiration": text}, `{"login": "ci"}`}
		if text == "" {
			response.header = nil
		}
		r := mustProbe(t, piped(t, e, response))
		got, known := r.CredentialExpiries["api"]
		if r.State != sessionapi.Valid || known != (want != 0) || known && got.Unix() != want {
			t.Errorf("%q: %s, expires at %s (Unix %d), want %d: %s", text, r.State, got, got.Unix(), want, r.Diagnosis)
		}
	}
}

// The definitions of the catalogue interpret the responses that the references document.
func TestCatalogue(t *testing.T) {
	for _, c := range slices.Concat(catalogue, issuers) {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			e := endpointFor(c.api, c.auth)
			e.SessionAPI = definition(c.api)
			if !slices.Contains(e.SessionAPI.Spec().Auth, c.auth) {
				t.Fatalf("%s does not support auth: %s", c.api, c.auth)
			}
			server := &published{responses: c.responses}
			p := piped(t, e, server)
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
			expires := map[string]bool{"introspection": true, "vault": c.auth == sessionapi.AuthLogin, "github": true, "sddc-manager": c.name == "valid", "identity-broker": c.name == "valid"}[c.api] && c.state == sessionapi.Valid
			if at := r.CredentialExpiries["api"]; at.Truncate(time.Second).Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) != expires || at.IsZero() == expires {
				t.Errorf("it expires at %s, want 2100-01-01: %t", at, expires)
			}
			closeProber(t, p)
			if c.requests != nil && !slices.Equal(server.got, c.requests) {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(server.got, "\n"), strings.Join(c.requests, "\n"))
			}
		})
	}
}
