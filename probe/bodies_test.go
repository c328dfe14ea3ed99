package probe

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"session_exporter/sessionapi"
)

// hcxUser returns a body whose user is the given JSON.
func hcxUser(user string) string { return `{"success": true, "data": {"user": ` + user + `}}` }

// HTTP 200 alone is never valid, and documented fields must have their documented types.
func TestBodies(t *testing.T) {
	for _, c := range []struct {
		name   string
		api    string
		status int
		body   string
		state  sessionapi.State
		why    string // part of the diagnosis
	}{
		{"empty object", "dr", 200, `{}`, sessionapi.SessionExpired, "it names no user"},
		{"empty user", "dr", 200, `{"username": ""}`, sessionapi.SessionExpired, "it names no user"},
		{"null user", "dr", 200, `{"username": null}`, sessionapi.SessionExpired, "it names no user"},
		{"blank user", "dr", 200, `{"username": " \t\u00a0"}`, sessionapi.SessionExpired, "it names no user"},
		{"invisible user", "dr", 200, `{"username": "\u200b\u202e"}`, sessionapi.SessionExpired, "it names no user"},
		{"204", "dr", 204, ``, sessionapi.SessionExpired, "its body is empty"},
		{"200 empty", "dr", 200, ``, sessionapi.SessionExpired, "its body is empty"},
		{"null", "dr", 200, `null`, sessionapi.SessionExpired, "it names no user"},
		{"array", "dr", 200, `[]`, sessionapi.InvalidResponse, "a JSON array instead of an object"},
		{"user is a number", "dr", 200, `{"username": 7}`, sessionapi.InvalidResponse, "`username` has the wrong type, a JSON number"},
		{"user and error", "dr", 200, `{"username": "alice", "error_code": "E17"}`, sessionapi.ServerError, "both a user and an error code"},
		{"error says session", "dr", 200, `{"error_code": "SESSION_NOT_FOUND"}`, sessionapi.SessionExpired, "SESSION_NOT_FOUND"},
		{"400 without words", "dr", 400, `{}`, sessionapi.SessionExpired, "it means a missing session"},
		{"400 without body", "dr", 400, ``, sessionapi.SessionExpired, "it means a missing session"},
		{"400 from a proxy", "dr", 400, `<html>bad</html>`, sessionapi.InvalidResponse, "HTML"},
		{"400 syntax", "dr", 400, `{"error_code": "INVALID_ARGUMENT"}`, sessionapi.BadRequest, "malformed"},
		{"400 access denied", "dr", 400, `{"error_code": "ACCESS_DENIED"}`, sessionapi.Forbidden, "does not permit the account"},
		{"trailing garbage", "dr", 200, `{"username": "alice"} x`, sessionapi.InvalidResponse, "not JSON"},
		{"another case", "dr", 200, `{"UserName": "alice"}`, sessionapi.SessionExpired, "it names no user"},
		{"two users that differ in case", "dr", 200, `{"username": "", "Username": "alice"}`, sessionapi.SessionExpired, "it names no user"},
		{"two users", "dr", 200, `{"username": "", "username": "alice"}`, sessionapi.InvalidResponse, "a duplicate field"},
		{"byte-order mark", "dr", 200, "\ufeff" + `{"username": "alice"}`, sessionapi.Valid, `"alice"`},
		{"byte-order mark alone", "dr", 200, "\ufeff", sessionapi.SessionExpired, "its body is empty"},
		{"more fields", "dr", 200, `{"username": "alice", "new": [1, {"a": null}]}`, sessionapi.Valid, `"alice"`},

		{"empty", "hcx", 200, ``, sessionapi.InvalidResponse, "its body is empty"},
		{"204", "hcx", 204, ``, sessionapi.InvalidResponse, "its body is empty"},
		{"null", "hcx", 200, `null`, sessionapi.InvalidResponse, "no `success` field"},
		{"no success", "hcx", 200, `{"data": {"user": {"username": "alice"}}}`, sessionapi.InvalidResponse, "no `success` field"},
		{"failure, success in another case", "hcx", 200, `{"success": false, "Success": true, "completed": true, "time": 1, "data": {"user": {"username": "alice"}}}`, sessionapi.ServerError, "success: false"},
		{"success in another case", "hcx", 200, `{"Success": true, "data": {"user": {"username": "alice"}}}`, sessionapi.InvalidResponse, "no `success` field"},
		{"failure and success", "hcx", 200, `{"success": false, "success": true, "data": {"user": {"username": "alice"}}}`, sessionapi.InvalidResponse, "a duplicate field"},
		{"two users", "hcx", 200, hcxUser(`{"username": "mallory", "username": "alice"}`), sessionapi.InvalidResponse, "a duplicate field"},
		{"user in another case", "hcx", 200, hcxUser(`{"userName": "alice"}`), sessionapi.SessionExpired, "it names no user"},
		{"byte-order mark", "hcx", 200, "\ufeff" + hcxOK, sessionapi.Valid, "Logged in"},
		{"byte-order mark twice", "hcx", 200, "\ufeff\ufeff" + hcxOK, sessionapi.InvalidResponse, "not JSON"},
		{"time that overflows", "hcx", 200, strings.Replace(hcxOK, `1753089693083`, `1e400`, 1), sessionapi.Valid, "Logged in"},
		{"time that overflows, roles is text", "hcx", 200, `{"success": true, "time": 1e400, "data": {"user": {"username": "alice", "roles": "x"}}}`, sessionapi.InvalidResponse, "`data.user.roles` has the wrong type, a JSON string"},
		{"time of two thousand digits", "hcx", 200, strings.Replace(hcxOK, `1753089693083`, strings.Repeat("9", 2000), 1), sessionapi.InvalidResponse, "a number of more than a thousand digits"},
		{"not UTF-8", "hcx", 200, hcxUser("{\"username\": \"alic\xe9\"}"), sessionapi.Valid, "alic"},
		{"success null", "hcx", 200, `{"success": null, "data": {"user": {"username": "alice"}}}`, sessionapi.InvalidResponse, "no `success` field"},
		{"success is text", "hcx", 200, `{"success": "true", "data": {"user": {"username": "alice"}}}`, sessionapi.InvalidResponse, "`success` has the wrong type"},
		{"success, no user", "hcx", 200, `{"success": true}`, sessionapi.SessionExpired, "it names no user"},
		{"success, data null", "hcx", 200, `{"success": true, "data": null}`, sessionapi.SessionExpired, "it names no user"},
		{"success, blank user", "hcx", 200, hcxUser(`{"username": " "}`), sessionapi.SessionExpired, "it names no user"},
		{"failure without code", "hcx", 200, `{"success": false}`, sessionapi.ServerError, "no error code"},
		{"failure, unknown code", "hcx", 200, `{"success": false, "errorCode": "SOMETHING_NEW"}`, sessionapi.ServerError, "does not document"},
		{"failure: bad request", "hcx", 200, hcxFailure("BAD_REQUEST"), sessionapi.BadRequest, "malformed"},
		{"failure: credentials", "hcx", 200, hcxFailure("INVALID_CREDENTIALS"), sessionapi.CredentialsRejected, "refused"},
		{"failure: privileges", "hcx", 200, hcxFailure("NOT_ENOUGH_PRIVILEGES"), sessionapi.Forbidden, "does not permit the account"},
		{"failure: token", "hcx", 200, hcxFailure("INVALID_SESSION_TOKEN"), sessionapi.SessionExpired, "refused"},
		{"failure: internal", "hcx", 200, hcxFailure("INTERNAL_SERVER_ERROR"), sessionapi.ServerError, "failed on the appliance's side"},
		{"success and a code", "hcx", 200, strings.Replace(hcxOK, `"data"`, `"errorCode": "INVALID_SESSION_TOKEN", "data"`, 1), sessionapi.SessionExpired, "refused"},
		{"401 with an unknown code", "hcx", 401, hcxFailure("SOMETHING_NEW"), sessionapi.SessionExpired, "SOMETHING_NEW"},
		{"roles is text", "hcx", 200, hcxUser(`{"username": "alice", "roles": "admin"}`), sessionapi.InvalidResponse, "`data.user.roles` has the wrong type, a JSON string"},
		{"role is a number", "hcx", 200, hcxUser(`{"username": "alice", "roles": [1]}`), sessionapi.InvalidResponse, "wrong type"},
		{"time is text", "hcx", 200, strings.Replace(hcxOK, `1753089693083`, `"1753089693083"`, 1), sessionapi.InvalidResponse, "`time` has the wrong type, a JSON string"},
		{"user is text", "hcx", 200, hcxUser(`"alice"`), sessionapi.InvalidResponse, "wrong type"},
		{"only the required fields", "hcx", 200, hcxUser(`{"username": "alice"}`), sessionapi.Valid, `"alice"`},
		{"all other fields null", "hcx", 200, `{"success": true, "completed": null, "time": null, "version": null, "data": {"user": {"username": "alice", "roles": null, "organization": null}}}`, sessionapi.Valid, `"alice"`},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			p := piped(t, endpointFor(c.api, sessionapi.AuthToken), reply{status: c.status, body: c.body})
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
		})
	}
}

// An implausible clock gives no skew.
func TestClockSkew(t *testing.T) {
	now := time.Now().UnixMilli()
	for _, c := range []struct {
		name, time string
		known      bool
	}{
		{"now", strconv.FormatInt(now, 10), true},
		{"ten minutes ahead", strconv.FormatInt(now+600_000, 10), true},
		{"missing", `null`, false},
		{"zero", `0`, false},
		{"negative", `-1753089693083`, false},
		{"microseconds", strconv.FormatInt(now*1000, 10), false},
		{"beyond int64", `1e300`, false},
		{"beyond float64", `1e400`, false},
		{"seconds", strconv.FormatInt(now/1000, 10), false},
		{"one", `1`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.Replace(hcxOK, `1753089693083`, c.time, 1)
			r := mustProbe(t, piped(t, endpointFor("hcx", sessionapi.AuthToken), reply{status: 200, body: body}))
			if r.State != sessionapi.Valid || (r.ClockSkew != nil) != c.known {
				t.Errorf("%s, skew %v; want known: %t", r.State, r.ClockSkew, c.known)
			}
		})
	}
}

// A server in front of the API may send responses of its own.
func TestForeignResponses(t *testing.T) {
	html := map[string]string{"Content-Type": "text/html"}
	const page = "<!DOCTYPE html>\n<title>Log in</title>"
	for _, c := range []struct {
		name  string
		reply reply
		state sessionapi.State // for a token; refusals depend on the authentication
	}{
		{"200 HTML", reply{200, html, page}, sessionapi.InvalidResponse},
		{"200 text", reply{200, nil, "OK"}, sessionapi.InvalidResponse},
		{"200 truncated JSON", reply{200, nil, `{"success": tr`}, sessionapi.InvalidResponse},
		{"502 HTML", reply{502, html, page}, sessionapi.ServerError},
		{"503 empty", reply{503, nil, ""}, sessionapi.ServerError},
		{"401 HTML", reply{401, html, page}, sessionapi.SessionExpired},
		{"401 empty", reply{401, nil, ""}, sessionapi.SessionExpired},
		{"403 HTML", reply{403, html, page}, sessionapi.InvalidResponse},
		{"403 empty", reply{403, nil, ""}, sessionapi.Forbidden},
		{"404", reply{404, html, page}, sessionapi.InvalidResponse},
		{"405", reply{405, nil, ""}, sessionapi.InvalidResponse},
		{"407", reply{407, html, page}, sessionapi.InvalidResponse},
		{"429 HTML", reply{429, html, page}, sessionapi.RateLimited},
		{"429 with a body of the API", reply{429, nil, hcxUnauthorized}, sessionapi.RateLimited},
		{"206", reply{206, nil, ""}, sessionapi.InvalidResponse},
		{"304", reply{304, nil, ""}, sessionapi.InvalidResponse},
		{"599", reply{599, nil, hcxUnauthorized}, sessionapi.ServerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustProbe(t, piped(t, endpointFor("hcx", sessionapi.AuthToken), c.reply))
			if r.State != c.state {
				t.Errorf("%s: %s\nwant %s", r.State, r.Diagnosis, c.state)
			}
			if r.Steps[0].Status != c.reply.status {
				t.Errorf("status %d, want %d", r.Steps[0].Status, c.reply.status)
			}
		})
	}
}

// A cached response gives no skew, because its clock is out of date.
func TestClockOfACachedResponse(t *testing.T) {
	old := time.Now().Add(-10 * time.Minute)
	for _, c := range []struct {
		age, api string
		known    bool
	}{
		{"", "dr", true},
		{"0", "dr", true},
		{"600", "dr", false},
		{"soon", "dr", false},
		{"", "hcx", true},
		{"600", "hcx", false},
	} {
		response := reply{200, map[string]string{"Date": old.UTC().Format(http.TimeFormat)}, drOK}
		if c.api == "hcx" {
			response.body = strings.Replace(hcxOK, `1753089693083`, strconv.FormatInt(old.UnixMilli(), 10), 1)
		}
		if c.age != "" {
			response.header["Age"] = c.age
		}
		r := mustProbe(t, piped(t, endpointFor(c.api, sessionapi.AuthToken), response))
		if r.State != sessionapi.Valid || (r.ClockSkew != nil) != c.known {
			t.Errorf("%s, age %q: %s, skew %v; want known: %t", c.api, c.age, r.State, r.ClockSkew, c.known)
		}
	}
}

// An implausible Date gives no skew.
func TestImplausibleDates(t *testing.T) {
	for date, known := range map[string]bool{
		"Thu, 01 Jan 1970 00:00:00 GMT": false, "Thu, 01 Jan 1970 01:00:00 GMT": false,
		"Fri, 31 Dec 9999 23:59:59 GMT": false, "soon": false, "": false,
		"Wed, 01 Jan 2020 00:00:00 GMT": true,
	} {
		response := reply{200, map[string]string{"Date": date}, drOK}
		if r := mustProbe(t, piped(t, endpointFor("dr", sessionapi.AuthToken), response)); r.State != sessionapi.Valid || (r.ClockSkew != nil) != known {
			t.Errorf("%q: %s, skew %v; want known: %t", date, r.State, r.ClockSkew, known)
		}
	}
}

// JSON is decoded whatever its Content-Type, with or without a byte order mark.
func TestJSONOfAnyType(t *testing.T) {
	user := map[string]string{
		"hcx": hcxOK, "dr": drOK, "vcenter": `{"user": "alice"}`, "couchdb": `{"userCtx": {"name": "alice", "roles": []}}`,
	}
	for api, body := range user {
		for _, label := range []string{"", "text/plain", "text/html", "application/octet-stream", "application/json;charset=utf-16", "x"} {
			for _, mark := range []string{"", "\ufeff"} {
				response := reply{200, map[string]string{"Content-Type": label}, mark + body}
				if r := mustProbe(t, piped(t, describedEndpoint(way{api, sessionapi.AuthToken}), response)); r.State != sessionapi.Valid {
					t.Errorf("%s, %q, mark %q: %s: %s", api, label, mark, r.State, r.Diagnosis)
				}
			}
		}
	}
}

// A session in a body with a byte order mark is found, so that it can be logged out.
func TestLoginWithAByteOrderMark(t *testing.T) {
	for api, body := range map[string]string{"dr": `{"session_id": "` + canaryToken + `"}`, "vcenter": `"` + canaryToken + `"`} {
		user := map[string]string{"dr": drOK, "vcenter": `{"user": "alice"}`}[api]
		appliance := &handwritten{post: []http.Handler{reply{status: 200, body: "\ufeff" + body}}, get: []http.Handler{reply{status: 200, body: user}}, del: []http.Handler{reply{status: 204}}}
		p := piped(t, endpointFor(api, sessionapi.AuthLogin), appliance)
		r := mustProbe(t, p)
		closeProber(t, p)
		if got := appliance.methods(); r.State != sessionapi.Valid || got != "POST GET DELETE" {
			t.Errorf("%s: %s after %s: %s", api, r.State, got, r.Diagnosis)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, w := range ways {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(w.String()+"/"+http.StatusText(status), func(t *testing.T) {
				redirect := reply{status: status, header: map[string]string{"Location": "http://sso.test/login"}}
				appliance := &handwritten{get: []http.Handler{redirect}, post: []http.Handler{redirect}}
				r := mustProbe(t, piped(t, w.endpoint(), appliance))
				if r.State != sessionapi.InvalidResponse || !strings.Contains(r.Diagnosis, "redirect") {
					t.Errorf("%s, want %s: %s", r.State, sessionapi.InvalidResponse, r.Diagnosis)
				}
				// A request to any other host would arrive here, too.
				if len(appliance.got) != 1 || appliance.got[0].Host != "appliance.test" {
					t.Errorf("%d requests, the first to %s; want one to appliance.test", len(appliance.got), appliance.got[0].Host)
				}
			})
		}
	}
}
