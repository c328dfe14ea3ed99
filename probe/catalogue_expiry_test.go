package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

const (
	sddcAccounts = "GET /v1/credentials?pageSize=0"
	managed      = "m4naged-passw0rd" // of an account that SDDC Manager manages
)

// issuers has the documented responses of APIs that report the expiry of other accounts and
// tokens.
var issuers = []catalogued{
	{"valid", "sddc-manager", sessionapi.AuthLogin, map[string]reply{
		"POST /v1/tokens": json200(`{"accessToken": "` + canaryToken + `", "refreshToken": {"id": "1-2-3"}}`),
		sddcAccounts: json200(`{"elements": [
			{"id": "1", "credentialType": "SSH", "accountType": "USER", "username": "root", "expiry": {"expiryDate": "2100-06-01T00:00:00.000Z", "status": "ACTIVE", "connectivityStatus": "ACTIVE"}, "resource": {"resourceName": "esx-1", "resourceType": "ESXI"}},
			{"id": "2", "credentialType": "API", "accountType": "SYSTEM", "username": "admin", "expiry": {"expiryDate": "2100-01-01T00:00:00.000Z", "status": "ACTIVE", "connectivityStatus": "ACTIVE"}, "resource": {"resourceName": "hcx-a", "resourceType": "HCX_MANAGER"}},
			{"id": "3", "credentialType": "SSO", "accountType": "SERVICE", "username": "svc", "resource": {"resourceName": "vc-a", "resourceType": "VCENTER"}}
		], "pageMetadata": {"pageNumber": 0, "pageSize": 3, "totalElements": 3, "totalPages": 1}}`),
	}, sessionapi.Valid, `The first to expire is "admin at hcx-a", on 2100-01-01.`, []string{`POST /v1/tokens {"username":"alice","password":"canary-passw0rd"}`, sddcAccounts}},
	{"no account", "sddc-manager", sessionapi.AuthBearer, map[string]reply{sddcAccounts: json200(`{"elements": []}`)}, sessionapi.Valid, "", nil},
	{"wrong password", "sddc-manager", sessionapi.AuthLogin, map[string]reply{
		"POST /v1/tokens": {401, nil, `{"errorCode": "IDENTITY_UNAUTHORIZED_ENTITY", "message": "Invalid credentials", "referenceToken": "ABC123"}`},
	}, sessionapi.CredentialsRejected, "IDENTITY_UNAUTHORIZED_ENTITY", nil},
	{"expired", "sddc-manager", sessionapi.AuthBearer, map[string]reply{
		sddcAccounts: {401, nil, `{"errorCode": "TOKEN_NOT_FOUND", "message": "JWT expired", "referenceToken": "ABC123"}`},
	}, sessionapi.SessionExpired, "JWT expired", nil},
	{"no permission", "sddc-manager", sessionapi.AuthBearer, map[string]reply{
		sddcAccounts: {403, nil, `{"errorCode": "FORBIDDEN", "message": "The user has no privilege"}`},
	}, sessionapi.Forbidden, "no privilege", nil},
	{"another response", "sddc-manager", sessionapi.AuthBearer, map[string]reply{sddcAccounts: json200(`{"status": "UP"}`)}, sessionapi.SessionExpired, "`authenticated` is false", nil},

	{"valid", "identity-broker", sessionapi.AuthBearer, map[string]reply{
		"GET /api-tokens": json200(`{"items": [
			{"id": "1", "token_display_name": "migration", "acct": "svc@example.com", "api_token_ttl": 43200, "access_token_ttl": 30, "expiration_date": "2100-02-01T00:00:00.000Z", "last_access_time": "2026-01-01T00:00:00Z", "token_status": "ACTIVE"},
			{"id": "2", "token_display_name": "backup", "acct": "svc@example.com", "expiration_date": "2100-01-01T00:00:00.282Z", "token_status": "ACTIVE"},
			{"id": "3", "token_display_name": "old", "acct": "svc@example.com", "expiration_date": "2020-01-01T00:00:00.000Z", "token_status": "EXPIRED"}
		]}`),
	}, sessionapi.Valid, `The first to expire is "backup of svc@example.com", on 2100-01-01.`, []string{"GET /api-tokens"}},
	{"no token", "identity-broker", sessionapi.AuthBearer, map[string]reply{"GET /api-tokens": json200(`{"items": []}`)}, sessionapi.Valid, "", nil},
	{"expired", "identity-broker", sessionapi.AuthBearer, map[string]reply{
		"GET /api-tokens": {401, nil, `{"error": "invalid_token", "error_description": "Auth token is missing or not valid"}`},
	}, sessionapi.SessionExpired, "not valid", nil},
	{"no permission", "identity-broker", sessionapi.AuthBearer, map[string]reply{"GET /api-tokens": {403, nil, `{"error": "access_denied"}`}}, sessionapi.Forbidden, "access_denied", nil},
}

// An sddcManager manages accounts, and issues tokens for 60 minutes.
type sddcManager struct {
	accounts []map[string]any
	issued   map[string]time.Time // expiry by token
	logins   int
}

func (m *sddcManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	var account struct{ Username, Password string }
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/tokens":
		if err := json.NewDecoder(r.Body).Decode(&account); err != nil || account.Username != "alice" || account.Password != canaryPassword {
			reply{401, nil, `{"errorCode": "IDENTITY_UNAUTHORIZED_ENTITY", "message": "Invalid credentials"}`}.ServeHTTP(w, r)
			return
		}
		m.logins++
		token := fmt.Sprintf("%s-%d", canaryToken, m.logins)
		m.issued[token] = time.Now().Add(time.Hour)
		json200(`{"accessToken": "`+token+`", "refreshToken": {"id": "canary-t0ken-refresh"}}`).ServeHTTP(w, r)
	case r.URL.Path != "/v1/credentials":
		reply{status: http.StatusNotFound}.ServeHTTP(w, r)
	case !time.Now().Before(m.issued[bearer]):
		reply{401, nil, `{"errorCode": "TOKEN_NOT_FOUND", "message": "JWT expired"}`}.ServeHTTP(w, r)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"elements": m.accounts})
	}
}

// managedAccount returns an account that expires in this number of days, or never if it
// is 0.
func managedAccount(username, resource, kind string, days int) map[string]any {
	a := map[string]any{
		"username": username, "password": managed, "accountType": "USER",
		"resource": map[string]any{"resourceName": resource, "resourceType": kind},
	}
	if days > 0 {
		a["expiry"] = map[string]any{"expiryDate": time.Now().AddDate(0, 0, days).UTC().Format(time.RFC3339), "status": "ACTIVE", "connectivityStatus": "ACTIVE"}
	}
	return a
}

// The result names the account of SDDC Manager that expires first, until its password is
// rotated. The passwords of the managed accounts are nowhere in a result, even with a trace.
func TestSDDCManagerReportsTheNextRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(48 * time.Hour) // virtual time starts in 2000, and earlier dates are not plausible
		hcx := managedAccount("admin", "hcx-a.example.com", "HCX_MANAGER", 5)
		esx := managedAccount("root", "esx-1.example.com", "ESXI", 30)
		m := &sddcManager{accounts: []map[string]any{managedAccount("svc", "vc-a", "VCENTER", 0), esx, hcx}, issued: map[string]time.Time{}}
		e := endpointFor("sddc-manager", sessionapi.AuthLogin)
		e.SessionAPI, e.Interval, e.SessionMaxAge = definition("sddc-manager"), 15*time.Minute, 30*time.Minute
		p := piped(t, e, m)
		expect := func(days int, of string) {
			t.Helper()
			r, err := p.Probe(t.Context(), Options{Trace: true})
			if err != nil {
				t.Fatal(err)
			}
			checkResult(t, *r)
			at, known := r.CredentialExpiries["api"]
			if left := time.Until(at); r.State != sessionapi.Valid || known != (days > 0) || known && left.Round(24*time.Hour) != time.Duration(days)*24*time.Hour || r.ExpiryOf != of {
				t.Errorf("%s: %s expires at %v, want %q in %d days: %s", r.State, r.ExpiryOf, at, of, days, r.Diagnosis)
			}
			if encoded, _ := json.Marshal(r); strings.Contains(string(encoded), managed) || !strings.Contains(string(encoded), "not shown") {
				t.Errorf("a managed password, or the body, is in %s", encoded)
			}
			<-time.After(e.Interval)
		}
		expect(5, "admin at hcx-a.example.com")
		hcx["expiry"] = managedAccount("", "", "", 90)["expiry"]
		expect(30, "root at esx-1.example.com")
		esx["expiry"] = map[string]any{"expiryDate": time.Now().Add(-36 * time.Hour).UTC().Format(time.RFC3339), "status": "EXPIRED"}
		r := mustProbe(t, p)
		if left := time.Until(r.CredentialExpiries["api"]); r.State != sessionapi.Valid || left.Round(time.Hour) != -36*time.Hour {
			t.Errorf("%s, expires in %s, want -36h", r.State, left)
		}
		m.accounts = m.accounts[:1]
		expect(0, "")
		for range 20 { // five hours: tokens are replaced before they expire
			expect(0, "")
		}
		if r := closeProber(t, p); r.LogoutFailures != 1 || m.logins < 11 || m.logins > 13 {
			t.Errorf("%d logins, %d sessions left at the end, want 11 to 13 and 1", m.logins, r.LogoutFailures)
		}
	})
}

// The Identity Broker lists its API tokens. The result names the one that expires first.
func TestIdentityBrokerReportsTheNextExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon := time.Now().AddDate(0, 0, 3).UTC()
		e := endpointFor("identity-broker", sessionapi.AuthBearer)
		e.SessionAPI, e.URL.Path = definition("identity-broker"), "/acs/t/CUSTOMER"
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+canaryToken || r.URL.Path != "/acs/t/CUSTOMER/api-tokens" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"items": []map[string]any{
				{"token_display_name": "later", "acct": "svc", "expiration_date": soon.Add(time.Hour).Format(time.RFC3339), "token_status": "ACTIVE"},
				{"token_display_name": "soon", "acct": "svc", "api_token_ttl": 43200, "access_token_ttl": 30, "expiration_date": soon.Format(time.RFC3339Nano), "last_access_time": soon, "token_status": "ACTIVE"},
				{"token_display_name": "endless", "acct": "svc", "token_status": "ACTIVE"},
			}})
		}))
		if r := mustProbe(t, p); r.State != sessionapi.Valid || !r.CredentialExpiries["api"].Equal(soon) || r.ExpiryOf != "soon of svc" {
			t.Errorf("%s, %q expires at %v, want %q at %s: %s", r.State, r.ExpiryOf, r.CredentialExpiries, "soon of svc", soon, r.Diagnosis)
		}
	})
}

// Vault's lookup has the expiry of the token, which moves when the token is renewed.
func TestVaultReportsTheTokensExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(30 * time.Hour).UTC()
		e := endpointFor("vault", sessionapi.AuthToken)
		e.SessionAPI = definition("vault")
		e.Credential.Secret.Inline = secret.New("hvs." + canaryToken)
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Vault-Token") != "hvs."+canaryToken || r.Method+r.URL.Path != "GET"+lookup || !time.Now().Before(expires) {
				reply{403, nil, `{"errors": ["permission denied"]}`}.ServeHTTP(w, r)
				return
			}
			json200(`{"data": {"id": "hvs.`+canaryToken+`", "display_name": "token-ci", "policies": ["default"], "expire_time": "`+expires.Format(time.RFC3339Nano)+`", "ttl": 1}}`).ServeHTTP(w, r)
		}))
		for range 2 {
			if r := mustProbe(t, p); r.State != sessionapi.Valid || !r.CredentialExpiries["api"].Equal(expires) || r.ExpiryOf != "" {
				t.Errorf("%s, expires at %v, want %s: %s", r.State, r.CredentialExpiries, expires, r.Diagnosis)
			}
			expires = expires.Add(20 * time.Hour)
			time.Sleep(e.Interval)
		}
		time.Sleep(time.Until(expires))
		if r := mustProbe(t, p); r.State != sessionapi.SessionExpired || len(r.CredentialExpiries) != 0 {
			t.Errorf("%s, expires at %v, want %s without an expiry", r.State, r.CredentialExpiries, sessionapi.SessionExpired)
		}
	})
}

// `expiry` of a definition may be one time or a list of times, in any form, and `expiry_of`
// the name or the names of what expires.
func TestEarliestExpiry(t *testing.T) {
	const base = "    auth: [bearer]\n    check: {path: /}\n    answer:\n      username: body.user\n"
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	for name, c := range map[string]struct {
		answer, body string
		want         time.Time
		of           string
		state        sessionapi.State
	}{
		"one":                     {"      expiry: body.at\n      expiry_of: body.name", `{"user": "u", "at": 1900000000, "name": "key"}`, at(1900000000), "key", sessionapi.Valid},
		"one without a name":      {"      expiry: body.at\n      expiry_of: body.name", `{"user": "u", "at": 1900000000}`, at(1900000000), "", sessionapi.Valid},
		"seconds":                 {"      expiry: body.all", `{"user": "u", "all": [1900000002, 1900000001, 0]}`, at(1900000001), "", sessionapi.Valid},
		"timestamps":              {"      expiry: body.all.map(s, timestamp(s))", `{"user": "u", "all": ["2030-03-17T17:46:42Z", "2030-03-17T17:46:41Z"]}`, at(1900000001), "", sessionapi.Valid},
		"no date":                 {"      expiry: body.all\n      expiry_of: body.all", `{"user": "u", "all": ["never", ""]}`, time.Time{}, "", sessionapi.Valid},
		"fewer names":             {"      expiry: body.all\n      expiry_of: body.names", `{"user": "u", "all": [1900000002, 1900000001], "names": ["a"]}`, at(1900000001), "", sessionapi.Valid},
		"an item of another type": {"      expiry: body.all", `{"user": "u", "all": [1900000002, true]}`, time.Time{}, "", sessionapi.InvalidResponse},
	} {
		t.Run(name, func(t *testing.T) {
			e := endpointOf(t, base+c.answer, sessionapi.AuthBearer)
			r := mustProbe(t, piped(t, e, json200(c.body)))
			if got := r.CredentialExpiries["api"]; r.State != c.state || c.state == sessionapi.Valid && (!got.Equal(c.want) || r.ExpiryOf != c.of) {
				t.Errorf("%s, %q expires at %v, want %s, %q at %v: %s", r.State, r.ExpiryOf, got, c.state, c.of, c.want, r.Diagnosis)
			}
		})
	}
}

// The name of what expires comes from the API, so it may contain secrets and control
// characters.
func TestExpiryOfIsMasked(t *testing.T) {
	e := endpointOf(t, "    auth: [bearer]\n    check: {path: /}\n    answer: {username: body.user, expiry: body.at, expiry_of: body.name}", sessionapi.AuthBearer)
	r := mustProbe(t, piped(t, e, json200(`{"user": "u", "at": 1900000000, "name": "key\\u0007 `+canaryToken+`"}`)))
	if r.ExpiryOf == "" || strings.ContainsAny(r.ExpiryOf, "\a") {
		t.Errorf("the name is %q, want it without control characters", r.ExpiryOf)
	}
}
