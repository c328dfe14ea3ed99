package probe

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// unreadable returns responses with a status whose headers or bodies cannot be read.
func unreadable(status string) map[string]http.HandlerFunc {
	begin := "HTTP/1.1 " + status + "\r\n"
	endless := func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = buffered.WriteString(begin + "Transfer-Encoding: chunked\r\n\r\n")
		for buffered.Flush() == nil {
			_, _ = buffered.WriteString("1\r\n \r\n")
			time.Sleep(time.Second)
		}
	}
	return map[string]http.HandlerFunc{
		"no chunk":         raw(begin + "Transfer-Encoding: chunked\r\n\r\n"),
		"truncated":        raw(begin + "Content-Length: 100\r\n\r\n{"),
		"truncated chunk":  raw(begin + "Transfer-Encoding: chunked\r\n\r\nff\r\n{"),
		"broken chunk":     raw(begin + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{"),
		"too large":        raw(begin + "Content-Length: 2097152\r\n\r\n" + strings.Repeat("a", 2<<20)),
		"endless":          endless,
		"not gzip":         raw(begin + "Content-Encoding: gzip\r\nContent-Length: 13\r\n\r\nnot gzip here"),
		"brotli":           raw(begin + "Content-Encoding: br\r\nContent-Length: 4\r\n\r\n\x0b\x02\x80a"),
		"wrong type":       raw(begin + "Content-Length: 2\r\n\r\n[]"),
		"wrong field type": raw(begin + "Content-Length: 32\r\n\r\n" + `{"username":7,"success":"false"}`),
		"not JSON":         raw(begin + "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{\"a"),
		"duplicates":       raw(begin + "Content-Length: 33\r\n\r\n" + `{"success":true,"success":false} `),
		"two lengths":      raw(begin + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
		"unknown coding":   raw(begin + "Transfer-Encoding: br\r\n\r\nhello"),
		"malformed header": raw(begin + "Server\r\n\r\n"),
		"truncated header": raw(begin + "Serv"),
		"header bomb":      raw(begin + "X-Bomb: " + strings.Repeat("x", 1<<17) + "\r\n\r\n"),
		"UTF-16":           raw(begin + "Content-Length: 6\r\n\r\n\xff\xfe{\x00}\x00"),
	}
}

// 401, 403, 429 and 5xx keep their meaning even if the headers or the body cannot be read.
func TestStatusOfAnUnreadableBody(t *testing.T) {
	for status, want := range map[string]sessionapi.State{
		"401 Unauthorized":          sessionapi.SessionExpired,
		"403 Forbidden":             sessionapi.Forbidden,
		"429 Too Many Requests":     sessionapi.RateLimited,
		"500 Internal Server Error": sessionapi.ServerError,
		"503 Service Unavailable":   sessionapi.ServerError,
	} {
		for name, handler := range unreadable(status) {
			for _, w := range []way{{"hcx", sessionapi.AuthToken}, {"dr", sessionapi.AuthToken}, {"vcenter", sessionapi.AuthToken}, {"couchdb", sessionapi.AuthToken}} {
				t.Run(status+"/"+name+"/"+w.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						defer time.Sleep(2 * time.Second) // until the handler of the endless body notices that nothing reads it
						r := mustProbe(t, piped(t, describedEndpoint(w), handler))
						if r.State != want || len(r.Steps) != 1 || r.Duration > 5*time.Second {
							t.Errorf("%s after %s, want %s within 5s: %s", r.State, r.Duration, want, r.Diagnosis)
						}
					})
				})
			}
		}
	}
}

// A refused session is renewed in the same probe, even if the body of the refusal cannot be read.
func TestSessionRefusedByAnUnreadableBody(t *testing.T) {
	for name, refusal := range unreadable("401 Unauthorized") {
		for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"dr", sessionapi.AuthLogin}} {
			t.Run(name+"/"+w.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(2 * time.Second) // until the handler of the endless body notices that nothing reads it
					appliance := &handwritten{
						post: []http.Handler{w.login()}, del: []http.Handler{w.logout()},
						get: []http.Handler{w.check(), refusal, w.check()},
					}
					p := piped(t, w.endpoint(), appliance)
					mustProbe(t, p)
					r := mustProbe(t, p)
					if r.State != sessionapi.Valid || r.Logins != 1 || r.Expirations != 1 {
						t.Errorf("%s, %d logins, %d expirations: %s", r.State, r.Logins, r.Expirations, r.Diagnosis)
					}
				})
			})
		}
	}
}

// A refused login counts as a refusal, even if the body of the response cannot be read.
func TestLoginRefusedByAnUnreadableBody(t *testing.T) {
	for name, refusal := range unreadable("401 Unauthorized") {
		for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}, {"dr", sessionapi.AuthLogin}} {
			t.Run(name+"/"+w.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(2 * time.Second) // until the handler of the endless body notices that nothing reads it
					p := piped(t, w.endpoint(), refusal)
					r := mustProbe(t, p)
					if _, refusals := p.credential.guard.Status(nil); r.State != sessionapi.CredentialsRejected || refusals != 1 {
						t.Errorf("%s, %d refusals, want %s, 1: %s", r.State, refusals, sessionapi.CredentialsRejected, r.Diagnosis)
					}
				})
			})
		}
	}
}

// A Retry-After applies even if the body is truncated.
func TestRateLimitWithATruncatedBody(t *testing.T) {
	for _, w := range []way{{"hcx", sessionapi.AuthToken}, {"dr", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limited := raw("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 600\r\nContent-Length: 100\r\n\r\n{")
				appliance := &handwritten{post: []http.Handler{w.login()}, get: []http.Handler{limited}}
				p := piped(t, w.endpoint(), appliance)
				results := probesFor(t, p, 5*time.Minute)
				if n := strings.Count(appliance.methods(), "GET"); n != 1 || states(results)[sessionapi.RateLimited] != 5 {
					t.Errorf("%d checks, states %v, want 1 check, and 5 results with %s", n, states(results), sessionapi.RateLimited)
				}
			})
		})
	}
}

// A response with status 200 and a truncated body is not valid.
func TestTruncatedSuccess(t *testing.T) {
	for api, body := range map[string]string{"dr": drOK, "hcx": hcxOK} {
		p := piped(t, endpointFor(api, sessionapi.AuthToken), raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+body))
		if r := mustProbe(t, p); r.State != sessionapi.Unreachable {
			t.Errorf("%s: %s: %s", api, r.State, r.Diagnosis)
		}
	}
}

// The Host header omits the default port of the scheme, but the connection uses it.
func TestHostWithoutItsDefaultPort(t *testing.T) {
	e := endpointFor("dr", sessionapi.AuthToken)
	e.URL = parsed(t, "http://appliance.test:80")
	appliance := &handwritten{get: []http.Handler{reply{status: 200, body: drOK}}}
	p := piped(t, e, appliance)
	var dialed string
	dial := directly(p).DialContext
	directly(p).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed = address
		return dial(ctx, network, address)
	}
	mustProbe(t, p)
	if got := appliance.got[0]; got.Host != "appliance.test" || dialed != "appliance.test:80" {
		t.Errorf("host %s at %s, want appliance.test at appliance.test:80", got.Host, dialed)
	}
}

func parsed(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Requests ask caches for fresh responses, unless http_headers has other values.
func TestRequestsAskForFreshResponses(t *testing.T) {
	appliance := &handwritten{get: []http.Handler{reply{status: 200, body: drOK}}}
	e := endpointFor("dr", sessionapi.AuthToken)
	mustProbe(t, piped(t, e, appliance))
	e.HTTP.Headers = &promconfig.Headers{Headers: map[string]promconfig.Header{
		"Cache-Control": {Values: []string{"max-age=0"}}, "Accept-Encoding": {Values: []string{"identity"}},
	}}
	mustProbe(t, piped(t, e, appliance))
	for i, want := range [][2]string{{"gzip", "no-cache"}, {"identity", "max-age=0"}} {
		header := appliance.got[i].Header
		if got := [2]string{strings.Join(header["Accept-Encoding"], "|"), strings.Join(header["Cache-Control"], "|")}; got != want {
			t.Errorf("request %d: %q, want %q", i, got, want)
		}
	}
}

// A password in JSON is sent without HTML escapes, and masked with and without them.
func TestPasswordInJSONIsNotEscaped(t *testing.T) {
	for _, api := range []string{"hcx", "couchdb"} {
		w := way{api, sessionapi.AuthLogin}
		e := describedEndpoint(w)
		e.Credential.Secret.Inline = secret.New("a&b<c>\u2028\"")
		appliance := &handwritten{post: []http.Handler{reply{status: 401, body: `{"error": "not a&b<c>` + "\u2028" + `\" nor a\u0026b\u003cc\u003e\u2028\""}`}}}
		r := mustProbe(t, piped(t, e, appliance))
		if want := "\"password\":\"a&b<c>\u2028\\\"\""; !strings.Contains(appliance.body[0], want) {
			t.Errorf("%s: sent %s, want %s", api, appliance.body[0], want)
		}
		if strings.Contains(r.Diagnosis, "<c>") {
			t.Errorf("%s: the password is shown: %s", api, r.Diagnosis)
		}
	}
}
