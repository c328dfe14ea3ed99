package probe

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"session_exporter/config"
)

// hcxUser is a body with a user as JSON, or with what stands there instead.
func hcxUser(user string) string { return `{"success": true, "data": {"user": ` + user + `}}` }

// HTTP 200 alone is never valid, and documented fields are held to their types.
func TestBodies(t *testing.T) {
	for _, c := range []struct {
		name   string
		api    string
		status int
		body   string
		state  State
		why    string // part of the diagnosis
	}{
		{"empty object", "dr", 200, `{}`, SessionExpired, "it names no user"},
		{"empty user", "dr", 200, `{"username": ""}`, SessionExpired, "it names no user"},
		{"null user", "dr", 200, `{"username": null}`, SessionExpired, "it names no user"},
		{"blank user", "dr", 200, `{"username": " \t\u00a0"}`, SessionExpired, "it names no user"},
		{"invisible user", "dr", 200, `{"username": "\u200b\u202e"}`, SessionExpired, "it names no user"},
		{"204", "dr", 204, ``, SessionExpired, "its body is empty"},
		{"200 empty", "dr", 200, ``, SessionExpired, "its body is empty"},
		{"null", "dr", 200, `null`, SessionExpired, "it names no user"},
		{"array", "dr", 200, `[]`, InvalidResponse, "a JSON array instead of an object"},
		{"user is a number", "dr", 200, `{"username": 7}`, InvalidResponse, "`username` has the wrong type, a JSON number"},
		{"user and error", "dr", 200, `{"username": "alice", "error_code": "E17"}`, ServerError, "an error code beside the user"},
		{"error says session", "dr", 200, `{"error_code": "SESSION_NOT_FOUND"}`, SessionExpired, "SESSION_NOT_FOUND"},
		{"400 without words", "dr", 400, `{}`, SessionExpired, "there is no session"},
		{"400 without body", "dr", 400, ``, SessionExpired, "there is no session"},
		{"400 of a proxy", "dr", 400, `<html>bad</html>`, InvalidResponse, "HTML"},
		{"400 syntax", "dr", 400, `{"error_code": "INVALID_ARGUMENT"}`, BadRequest, "malformed"},
		{"403 access denied", "dr", 400, `{"error_code": "ACCESS_DENIED"}`, Forbidden, "does not let it"},
		{"trailing garbage", "dr", 200, `{"username": "alice"} x`, InvalidResponse, "not JSON"},
		{"more fields", "dr", 200, `{"username": "alice", "new": [1, {"a": null}]}`, Valid, `"alice"`},

		{"empty", "hcx", 200, ``, InvalidResponse, "its body is empty"},
		{"204", "hcx", 204, ``, InvalidResponse, "its body is empty"},
		{"null", "hcx", 200, `null`, InvalidResponse, "no `success` field"},
		{"no success", "hcx", 200, `{"data": {"user": {"username": "alice"}}}`, InvalidResponse, "no `success` field"},
		{"success null", "hcx", 200, `{"success": null, "data": {"user": {"username": "alice"}}}`, InvalidResponse, "no `success` field"},
		{"success is text", "hcx", 200, `{"success": "true", "data": {"user": {"username": "alice"}}}`, InvalidResponse, "`success` has the wrong type"},
		{"success, nobody", "hcx", 200, `{"success": true}`, SessionExpired, "it names no user"},
		{"success, data null", "hcx", 200, `{"success": true, "data": null}`, SessionExpired, "it names no user"},
		{"success, blank user", "hcx", 200, hcxUser(`{"username": " "}`), SessionExpired, "it names no user"},
		{"failure without code", "hcx", 200, `{"success": false}`, ServerError, "gives no error code"},
		{"failure, code of nobody", "hcx", 200, `{"success": false, "errorCode": "SOMETHING_NEW"}`, ServerError, "does not document"},
		{"failure: bad request", "hcx", 200, hcxFailure("BAD_REQUEST"), BadRequest, "malformed"},
		{"failure: credentials", "hcx", 200, hcxFailure("INVALID_CREDENTIALS"), CredentialsRejected, "refused"},
		{"failure: privileges", "hcx", 200, hcxFailure("NOT_ENOUGH_PRIVILEGES"), Forbidden, "does not let it"},
		{"failure: token", "hcx", 200, hcxFailure("INVALID_SESSION_TOKEN"), SessionExpired, "refused"},
		{"failure: internal", "hcx", 200, hcxFailure("INTERNAL_SERVER_ERROR"), ServerError, "error of its own"},
		{"success and a code", "hcx", 200, strings.Replace(hcxOK, `"data"`, `"errorCode": "INVALID_SESSION_TOKEN", "data"`, 1), SessionExpired, "refused"},
		{"401 with a code of nobody", "hcx", 401, hcxFailure("SOMETHING_NEW"), SessionExpired, "SOMETHING_NEW"},
		{"roles is text", "hcx", 200, hcxUser(`{"username": "alice", "roles": "admin"}`), InvalidResponse, "`data.user.roles` has the wrong type, a JSON string"},
		{"role is a number", "hcx", 200, hcxUser(`{"username": "alice", "roles": [1]}`), InvalidResponse, "wrong type"},
		{"time is text", "hcx", 200, strings.Replace(hcxOK, `1753089693083`, `"1753089693083"`, 1), InvalidResponse, "`time` has the wrong type, a JSON string"},
		{"user is text", "hcx", 200, hcxUser(`"alice"`), InvalidResponse, "wrong type"},
		{"only what is needed", "hcx", 200, hcxUser(`{"username": "alice"}`), Valid, `"alice"`},
		{"all else null", "hcx", 200, `{"success": true, "completed": null, "time": null, "version": null, "data": {"user": {"username": "alice", "roles": null, "organization": null}}}`, Valid, `"alice"`},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			p := piped(t, endpointFor(c.api, config.AuthToken), reply{status: c.status, body: c.body})
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
		})
	}
}

// A clock that no clock shows is none.
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
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.Replace(hcxOK, `1753089693083`, c.time, 1)
			r := mustProbe(t, piped(t, endpointFor("hcx", config.AuthToken), reply{status: 200, body: body}))
			if r.State != Valid || (r.ClockSkew != nil) != c.known {
				t.Errorf("%s, skew %v; want known: %t", r.State, r.ClockSkew, c.known)
			}
		})
	}
}

// What stands between us and the API answers in its own way.
func TestForeignAnswers(t *testing.T) {
	html := map[string]string{"Content-Type": "text/html"}
	const page = "<!DOCTYPE html>\n<title>Log in</title>"
	for _, c := range []struct {
		name  string
		reply reply
		state State // for a token; what is refused depends on the way in
	}{
		{"200 HTML", reply{200, html, page}, InvalidResponse},
		{"200 text", reply{200, nil, "OK"}, InvalidResponse},
		{"200 truncated JSON", reply{200, nil, `{"success": tr`}, InvalidResponse},
		{"502 HTML", reply{502, html, page}, ServerError},
		{"503 empty", reply{503, nil, ""}, ServerError},
		{"401 HTML", reply{401, html, page}, SessionExpired},
		{"401 empty", reply{401, nil, ""}, SessionExpired},
		{"403 HTML", reply{403, html, page}, InvalidResponse},
		{"403 empty", reply{403, nil, ""}, Forbidden},
		{"404", reply{404, html, page}, InvalidResponse},
		{"405", reply{405, nil, ""}, InvalidResponse},
		{"407", reply{407, html, page}, InvalidResponse},
		{"429 HTML", reply{429, html, page}, RateLimited},
		{"429 with a body of the API's", reply{429, nil, hcxUnauthorized}, RateLimited},
		{"206", reply{206, nil, ""}, InvalidResponse},
		{"304", reply{304, nil, ""}, InvalidResponse},
		{"599", reply{599, nil, hcxUnauthorized}, ServerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustProbe(t, piped(t, endpointFor("hcx", config.AuthToken), c.reply))
			if r.State != c.state {
				t.Errorf("%s: %s\nwant %s", r.State, r.Diagnosis, c.state)
			}
			if r.Steps[0].Status != c.reply.status {
				t.Errorf("status %d", r.Steps[0].Status)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, w := range ways {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(w.String()+"/"+http.StatusText(status), func(t *testing.T) {
				redirect := reply{status: status, header: map[string]string{"Location": "http://sso.test/login"}}
				appliance := &handwritten{get: []http.Handler{redirect}, post: []http.Handler{redirect}}
				r := mustProbe(t, piped(t, w.endpoint(), appliance))
				if r.State != InvalidResponse || !strings.Contains(r.Diagnosis, "redirect") {
					t.Errorf("%s: %s", r.State, r.Diagnosis)
				}
				// The pipe would have led any other host here too.
				if len(appliance.got) != 1 || appliance.got[0].Host != "appliance.test" {
					t.Errorf("%d requests", len(appliance.got))
				}
			})
		}
	}
}
