package probe

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

const (
	hcxLocked           = `{"success": false, "completed": false, "time": 1753089693083, "version": "1.0", "errorCode": "BAD_REQUEST", "error": "The account is locked"}`
	htmlPage            = "<!DOCTYPE html>\n<title>Forbidden</title><form><input type=password disabled></form>"
	vcenterUnauthorized = `{"error_type": "UNAUTHORIZED", "messages": [{"default_message": "User is not authorized"}]}`
	drLocked            = `{"error_code":"USER_LOCKED_OUT","message":"try later"}`
	drNoPrivileges      = `{"error_code":"INSUFFICIENT_PRIVILEGES"}`
	couchdbLocked       = `{"error":"forbidden","reason":"locked for a while"}`
	redfishRefused      = `{"error":{"code":"Vendor.1.0.SeeExtended","@Message.ExtendedInfo":[{"MessageId":"Vendor.1.0.UnauthorizedLoginAttempt"}]}}`
	redfishTwoMessages  = `{"error":{"code":"Base.1.8.GeneralError","@Message.ExtendedInfo":[{"MessageId":"Base.1.8.GeneralError"},{"MessageId":"Vendor.1.0.AccountLocked"}]}}`
)

// How many logins are sent in five intervals.
const (
	heldBack = 1 // the guard counts it as a refusal
	backsOff = 3 // it has no verdict
)

// The response to a login decides its state, and whether the guard holds back further logins.
func TestLoginVerdicts(t *testing.T) {
	hcxLogin, hcxBasic := way{"hcx", sessionapi.AuthLogin}, way{"hcx", sessionapi.AuthBasic}
	drLogin, vcenterLogin := way{"dr", sessionapi.AuthLogin}, way{"vcenter", sessionapi.AuthLogin}
	couchdbLogin, redfishLogin, nsxBasic := way{"couchdb", sessionapi.AuthLogin}, way{"redfish", sessionapi.AuthLogin}, way{"nsx", sessionapi.AuthBasic}
	all := []way{hcxLogin, hcxBasic, drLogin, vcenterLogin, couchdbLogin, redfishLogin}
	for _, c := range []struct {
		name  string
		ways  []way
		login http.Handler
		state sessionapi.State
		sent  int // heldBack or backsOff
	}{
		{"401", all, reply{status: 401}, sessionapi.CredentialsRejected, heldBack},
		{"401 page", all, reply{401, nil, htmlPage}, sessionapi.CredentialsRejected, heldBack},
		{"401 with the code of a malformed request", []way{hcxLogin, hcxBasic}, reply{401, nil, hcxFailure("BAD_REQUEST")}, sessionapi.CredentialsRejected, heldBack},
		{"401 truncated", all, raw("HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{"), sessionapi.CredentialsRejected, heldBack},
		{"403", all, reply{status: 403}, sessionapi.CredentialsRejected, heldBack},
		{"403 without a code", all, reply{403, nil, `{}`}, sessionapi.CredentialsRejected, heldBack},
		{"403 text", all, reply{403, nil, "Forbidden"}, sessionapi.CredentialsRejected, heldBack},
		{"403 with JSON of the wrong type", all, reply{403, nil, `[1]`}, sessionapi.CredentialsRejected, heldBack},
		{"403 truncated", all, raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n{"), sessionapi.CredentialsRejected, heldBack},
		{"403 page", all, reply{403, nil, htmlPage}, sessionapi.InvalidResponse, heldBack},
		{"403 with a code that repeats the status", []way{drLogin}, reply{403, nil, `{"error_code": "FORBIDDEN"}`}, sessionapi.CredentialsRejected, heldBack},
		{"403 with a code that repeats the status", []way{couchdbLogin}, reply{403, nil, `{"error": "forbidden"}`}, sessionapi.CredentialsRejected, heldBack},
		{"403 locked", []way{drLogin}, reply{403, nil, drLocked}, sessionapi.CredentialsRejected, heldBack},
		{"403 locked", []way{couchdbLogin}, reply{403, nil, couchdbLocked}, sessionapi.CredentialsRejected, heldBack},
		{"403 locked", []way{vcenterLogin}, reply{403, nil, `{"error_type": "UNAUTHORIZED", "messages": [{"default_message": "User account is locked."}]}`}, sessionapi.CredentialsRejected, heldBack},
		{"403 denied", []way{drLogin}, reply{403, nil, `{"error_code": "ACCESS_DENIED"}`}, sessionapi.CredentialsRejected, heldBack},
		{"403 with an unknown code", []way{drLogin}, reply{403, nil, `{"error_code": "E17"}`}, sessionapi.BadRequest, heldBack},
		{"403 with an unknown code", []way{hcxLogin, hcxBasic}, reply{403, nil, hcxFailure("SOMETHING_NEW")}, sessionapi.BadRequest, heldBack},
		{"no privileges", []way{hcxLogin, hcxBasic}, reply{403, nil, hcxFailure("NOT_ENOUGH_PRIVILEGES")}, sessionapi.Forbidden, backsOff},
		{"no privileges", []way{drLogin}, reply{403, nil, drNoPrivileges}, sessionapi.Forbidden, backsOff},
		{"no privileges", []way{vcenterLogin}, reply{403, nil, vcenterUnauthorized}, sessionapi.Forbidden, backsOff},
		{"no privileges", []way{nsxBasic}, reply{403, nil, `{"error_message": "The user does not have permission", "error_code": 289}`}, sessionapi.Forbidden, backsOff},
		{"no privileges with 200", []way{hcxLogin, hcxBasic}, reply{200, nil, hcxFailure("NOT_ENOUGH_PRIVILEGES")}, sessionapi.Forbidden, backsOff},
		{"400", all, reply{status: 400}, sessionapi.BadRequest, heldBack},
		{"400 text", all, reply{400, nil, "no such field"}, sessionapi.BadRequest, heldBack},
		{"400 refused in words", all, reply{400, nil, "Invalid username or password"}, sessionapi.CredentialsRejected, heldBack},
		{"400 page", all, reply{400, nil, htmlPage}, sessionapi.InvalidResponse, heldBack},
		{"400 malformed", []way{hcxLogin, hcxBasic}, reply{400, nil, hcxFailure("BAD_REQUEST")}, sessionapi.BadRequest, heldBack},
		{"400 locked", []way{hcxLogin, hcxBasic}, reply{400, nil, hcxLocked}, sessionapi.CredentialsRejected, heldBack},
		{"400 refused", []way{redfishLogin}, reply{400, nil, redfishRefused}, sessionapi.CredentialsRejected, heldBack},
		{"400 refused in the second message", []way{redfishLogin}, reply{400, nil, redfishTwoMessages}, sessionapi.CredentialsRejected, heldBack},
		{"400 truncated", all, raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"), sessionapi.Unreachable, heldBack},
		{"400 session limit", []way{drLogin}, reply{400, nil, `{"error_code": "SESSION_LIMIT_EXCEEDED"}`}, sessionapi.ServerError, backsOff},
		{"400 too many attempts", []way{drLogin}, reply{400, nil, `{"error_code": "LOGIN_ATTEMPTS_EXCEEDED"}`}, sessionapi.CredentialsRejected, heldBack},
		{"422", all, reply{status: 422}, sessionapi.BadRequest, heldBack},
		{"422 disabled", []way{drLogin}, reply{422, nil, `{"error_code": "AccountDisabled"}`}, sessionapi.CredentialsRejected, heldBack},
		{"423 locked", []way{drLogin}, reply{423, nil, `{"message": "User account locked"}`}, sessionapi.CredentialsRejected, heldBack},
		{"402", all, reply{status: 402}, sessionapi.BadRequest, heldBack},
		{"406", all, reply{status: 406}, sessionapi.BadRequest, heldBack},
		{"409", all, reply{status: 409}, sessionapi.BadRequest, heldBack},
		{"410", all, reply{status: 410}, sessionapi.BadRequest, heldBack},
		{"451", all, reply{status: 451}, sessionapi.BadRequest, heldBack},
		{"404", all, reply{404, nil, htmlPage}, sessionapi.InvalidResponse, backsOff},
		{"405", all, reply{status: 405}, sessionapi.InvalidResponse, backsOff},
		{"407 from a proxy", all, reply{status: 407}, sessionapi.InvalidResponse, backsOff},
		{"408", all, reply{status: 408}, sessionapi.InvalidResponse, backsOff},
		{"429", all, reply{status: 429}, sessionapi.RateLimited, backsOff},
		{"302", all, reply{302, map[string]string{"Location": "/login"}, ""}, sessionapi.InvalidResponse, backsOff},
		{"500", all, reply{status: 500}, sessionapi.ServerError, backsOff},
		{"503 page", all, reply{503, nil, htmlPage}, sessionapi.ServerError, backsOff},
		{"503 truncated", all, raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{"), sessionapi.ServerError, backsOff},
		{"200 page", all, reply{200, nil, htmlPage}, sessionapi.InvalidResponse, backsOff},
		{"closed", all, raw(""), sessionapi.Unreachable, backsOff},
		{"silent", all, http.HandlerFunc(silent), sessionapi.Timeout, backsOff},
	} {
		for _, w := range c.ways {
			t.Run(c.name+"/"+w.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					appliance := &handwritten{post: []http.Handler{c.login}, get: []http.Handler{c.login}}
					p := piped(t, describedEndpoint(w), appliance)
					results := probesFor(t, p, 5*p.endpoint.Interval)
					if first := results[0]; first.State != c.state {
						t.Errorf("%s: %s\nwant %s", first.State, first.Diagnosis, c.state)
					}
					refusals := 0
					if c.sent == heldBack {
						refusals = 1
					}
					if _, got := p.credential.guard.Status(nil); got != refusals {
						t.Errorf("the guard counts %d refusals, want %d", got, refusals)
					}
					if sent := len(strings.Fields(appliance.methods())); sent != c.sent {
						t.Errorf("%d logins were sent, want %d", sent, c.sent)
					}
				})
			})
		}
	}
}

// describedEndpoint returns an endpoint of an API that is built in or in the catalogue.
func describedEndpoint(w way) *config.Endpoint {
	e := w.endpoint()
	if _, builtIn := builtIn[w.api]; !builtIn {
		e.SessionAPI = definition(w.api)
	}
	return e
}

// A lockout that is reported with a status other than 401 costs the account two logins,
// however many endpoints it has.
func TestFleetOfALockedAccount(t *testing.T) {
	alternating := func() http.Handler {
		var n atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			response := reply{status: 401}
			if n.Add(1)%2 == 0 {
				response = reply{403, nil, `{"error_code":"ACCESS_DENIED"}`}
			}
			response.ServeHTTP(w, r)
		})
	}
	for _, c := range []struct {
		name string
		way
		login http.Handler
		state sessionapi.State
	}{
		{"locked", way{"dr", sessionapi.AuthLogin}, reply{403, nil, drLocked}, sessionapi.CredentialsRejected},
		{"locked", way{"couchdb", sessionapi.AuthLogin}, reply{403, nil, couchdbLocked}, sessionapi.CredentialsRejected},
		{"refused", way{"redfish", sessionapi.AuthLogin}, reply{400, nil, redfishRefused}, sessionapi.CredentialsRejected},
		{"403", way{"vcenter", sessionapi.AuthLogin}, reply{status: 403}, sessionapi.CredentialsRejected},
		{"403", way{"hcx", sessionapi.AuthBasic}, reply{status: 403}, sessionapi.CredentialsRejected},
		{"400", way{"hcx", sessionapi.AuthBasic}, reply{status: 400}, sessionapi.BadRequest},
		{"400", way{"dr", sessionapi.AuthLogin}, reply{status: 400}, sessionapi.BadRequest},
		{"401 and 403 in turn", way{"dr", sessionapi.AuthLogin}, alternating(), sessionapi.CredentialsRejected},
	} {
		t.Run(c.name+"/"+c.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				appliance := &handwritten{post: []http.Handler{c.login}, get: []http.Handler{c.login}}
				total := probeAll(t, twenty(t, c.way, func(int) http.Handler { return appliance }), 20*time.Minute)
				if n := len(strings.Fields(appliance.methods())); n != 2 || total[c.state] != 2 || total[sessionapi.LoginSuspended] != 398 {
					t.Errorf("%d logins, states %v, want 2 logins and 398 suspended ones", n, total)
				}
			})
		})
	}
}

// A page of a firewall in front of one appliance does not hold back logins to the others.
func TestHTMLPageAtOneEndpoint(t *testing.T) {
	for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}, {"dr", sessionapi.AuthLogin}} {
		for _, at := range []int{0, 7, 19} {
			t.Run(fmt.Sprint(w, "/", at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					page := &handwritten{post: []http.Handler{reply{403, nil, htmlPage}}, get: []http.Handler{reply{403, nil, htmlPage}}}
					probers := twenty(t, w, func(i int) http.Handler {
						if i == at {
							return page
						}
						return &handwritten{post: []http.Handler{w.login()}, get: []http.Handler{w.check()}, del: []http.Handler{w.logout()}}
					})
					total := probeAll(t, probers, 24*time.Minute)
					if total[sessionapi.Valid] != 19*24 || total[sessionapi.InvalidResponse] != len(page.got) || len(page.got) > 3 {
						t.Errorf("states %v, %d logins at the page, want at most 3, and all others valid", total, len(page.got))
					}
				})
			})
		}
	}
}

// twenty returns the probers of twenty endpoints of one account.
func twenty(t *testing.T, w way, appliance func(i int) http.Handler) []*Prober {
	t.Helper()
	first := describedEndpoint(w)
	generation := generationOf(t, first)
	probers := make([]*Prober, 20)
	for i := range probers {
		e := describedEndpoint(w)
		e.Name, e.Credential = fmt.Sprint("site-", i), first.Credential
		e.URL.Host = e.Name + ".test"
		probers[i] = proberOf(t, generation, e)
		directly(probers[i]).DialContext = newPipeServer(t, appliance(i)).dial
	}
	return probers
}

// A login that establishes a session clears the refusals of the secret. A forbidden login does
// not.
func TestForbiddenLoginClearsNothing(t *testing.T) {
	for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refused, forbidden := reply{status: 401}, reply{403, nil, hcxFailure("NOT_ENOUGH_PRIVILEGES")}
				responses := []http.Handler{refused, forbidden, refused}
				probers := twenty(t, w, func(i int) http.Handler {
					h := responses[min(i, 2)]
					return &handwritten{post: []http.Handler{h}, get: []http.Handler{h}}
				})
				var found []string
				for _, p := range probers[:4] {
					found = append(found, string(mustProbe(t, p).State))
				}
				if got, want := strings.Join(found, " "), "credentials_rejected forbidden credentials_rejected login_suspended"; got != want {
					t.Errorf("states %s, want %s", got, want)
				}
			})
		})
	}
}

// A token request counts as a login at the authorization server.
func TestTokenRequestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name     string
		response http.Handler
		state    sessionapi.State
		refused  bool // for the guard
	}{
		{"403", reply{status: 403}, sessionapi.CredentialsRejected, true},
		{"403 page", reply{403, nil, htmlPage}, sessionapi.InvalidResponse, true},
		{"400", reply{status: 400}, sessionapi.BadRequest, true},
		{"400 locked", reply{400, nil, `{"error": "E17", "error_description": "The client is disabled"}`}, sessionapi.CredentialsRejected, true},
		{"400 invalid_scope", reply{400, nil, `{"error": "invalid_scope"}`}, sessionapi.BadRequest, true},
		{"400 truncated", raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"), sessionapi.Unreachable, true},
		{"404", reply{status: 404}, sessionapi.InvalidResponse, false},
		{"429", reply{status: 429}, sessionapi.RateLimited, false},
		{"503", reply{status: 503}, sessionapi.ServerError, false},
		{"closed", raw(""), sessionapi.Unreachable, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := (&authServer{response: c.response}).prober(t)
				r := mustProbe(t, p)
				if _, refusals := p.credential.guard.Status(nil); r.State != c.state || (refusals > 0) != c.refused {
					t.Errorf("%s, %d refusals, want %s, refused: %t: %s", r.State, refusals, c.state, c.refused, r.Diagnosis)
				}
			})
		})
	}
}
