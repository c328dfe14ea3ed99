//go:build !race

package exporter

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/web"
)

// canaryKinds lists each kind of secret, the request whose response quotes it, and the parts
// quoted.
var canaryKinds = []struct{ name, module, credential, at, parts string }{
	{"hcx-login", "hcx", "login", "POST", "password"},
	{"hcx-check", "hcx", "login", "GET", "password session"},
	{"hcx-logout", "short", "login", "DELETE", "password session"},
	{"hcx-basic", "hcx-basic", "login", "GET", "password pair basic"},
	{"hcx-token", "hcx", "token", "GET", "token"},
	{"hcx-bearer", "hcx-bearer", "token", "GET", "token header value cookie"},
	{"dr-login", "dr", "login", "POST", "password basic"},
	{"dr-check", "dr", "login", "GET", "session pair"},
	{"dr-logout", "dr-short", "login", "DELETE", "session"},
	{"vcenter-login", "vcenter", "login", "POST", "pair"},
	{"vcenter-check", "vcenter", "login", "GET", "session"},
	{"own-login", "own", "login", "POST", "password literal"},
	{"own-check", "own", "login", "GET", "session literal"},
	{"oauth-login", "hcx-bearer", "oauth", "TOKEN", "client param"},
	{"user-login", "hcx-bearer", "user", "TOKEN", "password client"},
	{"vcf-login", "hcx-bearer", "vcf", "TOKEN", "token"},
	{"oauth-check", "hcx-bearer", "oauth", "GET", "access"},
	{"old-check", "hcx", "old", "GET", "replaced first"},
}

// canaryConfiguration returns a configuration with every kind, and what each endpoint's
// appliance quotes.
func canaryConfiguration(w *world, encoders []encoder) (text string, all []quotation) {
	var modes []string
	for mode := range canaryModes {
		modes = append(modes, mode)
	}
	slices.Sort(modes) // so that runs are reproducible
	next := 0
	for _, kind := range canaryKinds {
		for part := range strings.FieldsSeq(kind.parts) {
			for _, plain := range []bool{false, true} {
				for i, mode := range modes {
					next++
					// Half of the modes quote plain secrets, and half the others.
					if i%2 == 0 == plain || next%size(1, 3) != 0 {
						continue
					}
					all = append(all, quotation{kind.name, part, mode, next % len(encoders), plain})
				}
				if kind.name == "hcx-check" || kind.name == "own-login" {
					for i := range singles {
						all = append(all, quotation{kind.name, part, "500", i, plain})
					}
				}
			}
		}
	}
	var c, e strings.Builder
	for _, plain := range []bool{false, true} {
		w.write(fmt.Sprintf("password-%t", plain), canaryOf("password", plain))
		w.write(fmt.Sprintf("replaced-%t", plain), canaryOf("replaced", plain))
		w.write(fmt.Sprintf("header-%t", plain), canaryOf("file", plain))
	}
	modules := make(map[string]string)
	for _, kind := range canaryKinds {
		modules[kind.name] = kind.module + " " + kind.credential
	}
	for i, q := range all {
		module, kind, _ := strings.Cut(modules[q.kind], " ")
		guard := fmt.Sprintf("lockout_guard: {account: a%d, max_refusals: 100}", i)
		credential := map[string]string{
			"login": fmt.Sprintf("{username: monitor, password_file: password-%t, %s}", q.plain, guard),
			"old":   fmt.Sprintf("{username: monitor, password_file: replaced-%t, %s}", q.plain, guard),
			"token": fmt.Sprintf("{token: %q, %s}", canaryOf("token", q.plain), guard),
			"oauth": fmt.Sprintf("{%s, oauth2: {client_id: x, client_secret: %q, endpoint_params: {p: %q}, token_url: %q}}", guard, canaryOf("client", q.plain), canaryOf("param", q.plain), "http://sso.test"+q.path()+"/token"),
			"user":  fmt.Sprintf("{username: monitor, password_file: password-%t, %s, oauth2: {grant_type: password, client_id: x, client_secret: %q, token_url: %q}}", q.plain, guard, canaryOf("client", q.plain), "http://sso.test"+q.path()+"/token"),
			"vcf":   fmt.Sprintf("{token: %q, %s, oauth2: {grant_type: vcf_api_token, token_url: %q}}", canaryOf("token", q.plain), guard, "http://sso.test"+q.path()+"/token"),
		}[kind]
		fmt.Fprintf(&c, "  c%d: %s\n", i, credential)
		fmt.Fprintf(&e, "  - {name: e%d, url: %q, module: %s-%t, credential: c%[1]d}\n", i, fmt.Sprintf("http://h%d.test", i)+q.path(), module, q.plain)
	}
	var m, apis strings.Builder
	for _, plain := range []bool{false, true} {
		headers := fmt.Sprintf(`http_headers: {X-Key: {secrets: [%q]}, X-Value: {values: [%q]}, X-File: {files: [header-%t]}, Cookie: {values: [%q]}}`,
			"Token "+canaryOf("header", plain), canaryOf("value", plain), plain, "a=1; k="+canaryOf("cookie", plain))
		for _, module := range []string{"hcx: {api: hcx", "short: {api: hcx, session_max_age: 1m", "hcx-basic: {api: hcx, auth: basic", "hcx-bearer: {api: hcx, auth: bearer", "dr: {api: dr", "dr-short: {api: dr, session_max_age: 1m", "vcenter: {api: vcenter"} {
			name, rest, _ := strings.Cut(module, ":")
			fmt.Fprintf(&m, "  %s-%t: %s, %s}\n", name, plain, rest, headers)
		}
		fmt.Fprintf(&m, "  own-%t: {api: own%[1]t}\n", plain)
		fmt.Fprintf(&apis, `  own%t:
    login: {path: /login, send: json, body: {user: $username, pass: $password, app: %q}}
    session: [{from: cookie, name: sid}]
    check: {path: /me}
    answer: {username: body.user, message: body.message, error_code: body.errorCode}
`, plain, canaryOf("literal", plain))
	}
	text = fmt.Sprintf("global: {interval: 5m, timeout: 9s}\napis:\n%smodules:\n%scredentials:\n%sendpoints:\n%s", &apis, &m, &c, &e)
	return text, all
}

// TestNoCanaryIsShown runs the exporter with its web handler: whatever secret an appliance
// quotes, in any encoding and anywhere in its response, none of it is shown or logged.
func TestNoCanaryIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		encoders := allEncoders()
		a := &quotingAppliance{encoders: encoders, sent: make(map[string]int), quoted: make(map[string]int)}
		w := newWorld(t, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		w.override = a
		text, all := canaryConfiguration(w, encoders)
		w.load(text)
		handler, err := web.NewHandler(web.Options{Collector: w.collector, Registry: prometheus.NewRegistry(), TelemetryPath: "/metrics", Lifecycle: w.Exporter, Logger: w.logger})
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		time.Sleep(6 * time.Minute)
		for _, plain := range []bool{false, true} {
			w.write(fmt.Sprintf("replaced-%t", plain), canaryOf("password", plain))
		}
		time.Sleep(9 * time.Minute)
		leaks := 0
		checkText := func(where, text string) {
			if found := canaryIn(text, 2); found != "" {
				leaks++
				if leaks < 40 {
					t.Errorf("%s shows a secret: %s", where, found)
				}
			}
		}
		for _, path := range []string{"/", "/metrics", "/config", "/sd", "/api/v1/endpoints?history=100", "/-/healthy"} {
			for i, line := range strings.Split(get(handler, path), "\n") {
				checkText(fmt.Sprintf("%s line %d", path, i), line)
			}
		}
		for i, q := range all {
			checkText(fmt.Sprintf("%+v %s", q, encoders[q.encoder].name), get(handler, fmt.Sprintf("/endpoints/e%d", i)))
		}
		for i := 0; i < len(all); i += 20 {
			checkText(fmt.Sprintf("probe of %+v", all[i]), get(handler, fmt.Sprintf("/probe?endpoint=e%d&debug=true", i)))
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, httptest.NewRequest(http.MethodPost, fmt.Sprintf("/-/probe?endpoint=e%d", i), http.NoBody))
			checkText(fmt.Sprintf("/-/probe of %+v", all[i]), response.Body.String())
		}
		w.stop()
		for line := range strings.Lines(log.String()) {
			checkText("log", line)
		}
		if leaks > 0 {
			t.Errorf("%d leaks", leaks)
		}
		for _, kind := range canaryKinds {
			if a.quoted[kind.name] == 0 {
				t.Errorf("%s quotes nothing", kind.name)
			}
		}
		t.Logf("%d endpoints, %d masks, %v", len(all), strings.Count(log.String(), "<secret>"), a.quoted)
	})
}

func get(handler http.Handler, path string) string {
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return response.Body.String()
}

// lockedBuffer is a buffer for a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
