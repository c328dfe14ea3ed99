package probe

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"session_exporter/config"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// serveHTTP2 serves a handler over HTTP/2 only, with net/http's server.
func serveHTTP2(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP2(true)
	server.EnableHTTP2 = true
	server.StartTLS()
	server.TLS.NextProtos = []string{"h2"}
	t.Cleanup(server.Close)
	return server
}

// overHTTP2 returns an endpoint at a server whose certificate is not verified. enabled is its
// enable_http2.
func overHTTP2(t *testing.T, server *httptest.Server, auth sessionapi.Auth, enabled bool) *config.Endpoint {
	t.Helper()
	e := endpointFor("hcx", auth)
	e.URL, _ = url.Parse(server.URL)
	e.HTTP.TLS.InsecureSkipVerify, e.HTTP.EnableHTTP2 = true, enabled
	return e
}

// With enable_http2, a server that speaks only HTTP/2 is monitored like any other: one
// connection, a session that is held, timings, certificate and logout.
func TestHTTP2Only(t *testing.T) {
	a := simulator.NewHCX(alice())
	var versions atomic.Int32
	connections := make(clients)
	server := serveHTTP2(t, connections.counting(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		versions.Add(int32(r.ProtoMajor))
		a.ServeHTTP(w, r)
	})))
	e := overHTTP2(t, server, sessionapi.AuthLogin, true)
	p := newProber(t, e)
	first := mustProbe(t, p)
	if first.State != sessionapi.Valid || first.Logins != 1 || first.LastRequest.IsZero() {
		t.Fatalf("%s: %s", first.State, first.Diagnosis)
	}
	if expiry := first.CertificateExpiry; expiry.IsZero() || !expiry.Equal(server.Certificate().NotAfter) {
		t.Errorf("the certificate expires at %s, want %s", expiry, server.Certificate().NotAfter)
	}
	if phases := first.Steps[0].Phases; phases.Connect <= 0 || phases.TLS <= 0 || phases.Processing <= 0 {
		t.Errorf("took %+v", phases)
	}
	second := mustProbe(t, p)
	if phases := second.Steps[0].Phases; second.State != sessionapi.Valid || second.Logins != 0 || phases.Connect != 0 || phases.TLS != 0 {
		t.Errorf("%s, %d logins, took %+v", second.State, second.Logins, phases)
	}
	if r := closeProber(t, p); r.Logouts != 1 {
		t.Errorf("%d logouts", r.Logouts)
	}
	if got := versions.Load(); got != 4*2 { // login, two checks, logout
		t.Errorf("the versions of the requests add up to %d, want 8", got)
	}
	// On a busy machine, net/http may share the first connection only after the second request.
	if n := len(connections); n < 1 || n > 2 {
		t.Errorf("%d connections, want 1 or 2", n)
	}
}

// clients counts the requests from each address. The requests must not be concurrent.
type clients map[string]int

func (c clients) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c[r.RemoteAddr]++
		next.ServeHTTP(w, r)
	})
}

// Without enable_http2, the advice names it. Servers in Go complete the handshake and then
// close the connection, which leaves no session; others fail the handshake, before a
// password is sent.
func TestHTTP2OnlyWithoutSetting(t *testing.T) {
	var requests atomic.Int32
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	strict := httptest.NewUnstartedServer(handler)
	strict.TLS = &tls.Config{NextProtos: []string{"strict"}}
	strict.StartTLS()
	t.Cleanup(strict.Close)
	both := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(both.Close)
	for name, c := range map[string]struct {
		server *httptest.Server
		state  sessionapi.State
		logins int
		named  bool // the advice names the setting
		want   string
	}{
		"fails the handshake":           {strict, sessionapi.TLSFailed, 0, true, "probably only HTTP/2"},
		"closes the connection":         {serveHTTP2(t, handler), sessionapi.Unreachable, 1, true, "probably only HTTP/2"},
		"closes an HTTP/1.1 connection": {both, sessionapi.Unreachable, 1, false, "closed the connection"},
	} {
		r := mustProbe(t, newProber(t, overHTTP2(t, c.server, sessionapi.AuthLogin, false)))
		if c.named && r.Unanswered != 0 {
			t.Errorf("%s: the login counts as unanswered", name)
		}
		if r.State != c.state || r.Logins != c.logins || requests.Load() != 0 || !strings.Contains(r.Diagnosis, c.want) || strings.Contains(r.Advice, "`enable_http2: true`") != c.named {
			t.Errorf("%s: %s, %d logins, %d requests: %s %s", name, r.State, r.Logins, requests.Load(), r.Diagnosis, r.Advice)
		}
	}
}

// A server that speaks both versions is probed without enable_http2, and a server that speaks
// only HTTP/1.1 is probed with it.
func TestHTTP2Optional(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		server := httptest.NewUnstartedServer(simulator.NewHCX(alice()))
		server.EnableHTTP2 = !enabled
		server.StartTLS()
		t.Cleanup(server.Close)
		if r := mustProbe(t, newProber(t, overHTTP2(t, server, sessionapi.AuthLogin, enabled))); r.State != sessionapi.Valid {
			t.Errorf("enable_http2: %t: %s: %s", enabled, r.State, r.Diagnosis)
		}
	}
}

// A SETTINGS frame and the status 505 show that a server does not speak HTTP/1.1. Other
// failures do not.
func TestHTTP2OnlyByResponse(t *testing.T) {
	const settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
	for name, c := range map[string]struct {
		response string
		state    sessionapi.State
		want     string
	}{
		"a frame":      {settings, sessionapi.InvalidResponse, "HTTP/2 frame"},
		"the status":   {"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\n\r\n", sessionapi.ServerError, "505"},
		"another 5xx":  {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", sessionapi.ServerError, ""},
		"other binary": {"\x00\x00\x06\x05\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", sessionapi.InvalidResponse, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := endpointFor("hcx", sessionapi.AuthToken)
			e.URL = listen(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte(c.response))
			})
			e.URL.Scheme = "http"
			r := mustProbe(t, newProber(t, e))
			if r.State != c.state || strings.Contains(r.Advice, "enable_http2") != (c.want != "") || !strings.Contains(r.Diagnosis, c.want) {
				t.Errorf("%s: %s %s\nwant %s: … %s …, and enable_http2 in the advice: %t", r.State, r.Diagnosis, r.Advice, c.state, c.want, c.want != "")
			}
		})
	}
}

// The guard counts each refusal, even if the response comes before the transport reports
// that the request was written.
func TestHTTP2RefusalsCount(t *testing.T) {
	var requests atomic.Int32
	server := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	for range 20 {
		requests.Store(0)
		p := newProber(t, overHTTP2(t, server, sessionapi.AuthLogin, true))
		var r Result
		for range 4 {
			r = mustProbe(t, p)
			p.EndBackoff()
		}
		if requests.Load() > 2 || r.State != sessionapi.LoginSuspended {
			t.Fatalf("%d logins were sent, and then %s; want at most 2, and %s", requests.Load(), r.State, sessionapi.LoginSuspended)
		}
	}
}

// A server may reset a stream, after which transports send the request again. A password is
// sent only once.
func TestHTTP2PasswordIsSentOnce(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeRefusedStream, http2.ErrCodeProtocol, http2.ErrCodeEnhanceYourCalm} {
		t.Run(code.String(), func(t *testing.T) {
			var requests atomic.Int32
			server := serveFrames(t, func(framer *http2.Framer, headers *http2.HeadersFrame) {
				requests.Add(1)
				_ = framer.WriteRSTStream(headers.StreamID, code)
			})
			r := mustProbe(t, newProber(t, overHTTP2(t, server, sessionapi.AuthLogin, true)))
			if r.State != sessionapi.Unreachable || requests.Load() != 1 || r.Logins != 1 || r.Unanswered != 1 {
				t.Errorf("%s after %d requests, %d logins, %d unanswered: %s", r.State, requests.Load(), r.Logins, r.Unanswered, r.Diagnosis)
			}
		})
	}
}

// A server may discard the request with a password, and speak HTTP/1.1 on the next connection.
// The password is sent only once nevertheless.
func TestHTTP2PasswordIsNotSentAgainOverHTTP1(t *testing.T) {
	var passwords, connections atomic.Int32
	server := serveFrames(t, func(framer *http2.Framer, _ *http2.HeadersFrame) {
		passwords.Add(1)
		_ = framer.WriteGoAway(0, http2.ErrCodeNo, nil)
	}, func(own *httptest.Server) {
		own.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passwords.Add(1) })
		own.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			next := own.TLS.Clone()
			next.GetConfigForClient = nil
			if connections.Add(1) > 1 {
				next.NextProtos = []string{"http/1.1"}
			}
			return next, nil
		}
	})
	r := mustProbe(t, newProber(t, overHTTP2(t, server, sessionapi.AuthLogin, true)))
	if r.State != sessionapi.Unreachable || passwords.Load() != 1 || r.Logins != 1 || connections.Load() != 2 {
		t.Errorf("%s after %d passwords on %d connections, %d logins: %s", r.State, passwords.Load(), connections.Load(), r.Logins, r.Diagnosis)
	}
}

// serveFrames serves HTTP/2 connections, and calls request for each HEADERS frame.
func serveFrames(t *testing.T, request func(*http2.Framer, *http2.HeadersFrame), options ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{NextProtos: []string{"h2"}}
	server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
		defer conn.Close()
		if _, err := conn.Read(make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		framer := http2.NewFramer(conn, conn)
		_ = framer.WriteSettings()
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if headers, ok := frame.(*http2.HeadersFrame); ok {
				request(framer, headers)
			}
		}
	}}
	for _, set := range options {
		set(server)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// The size of a body is limited, and so is that of the headers.
func TestHTTP2Limits(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"body": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 11 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		},
		"headers": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 1<<17)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := mustProbe(t, newProber(t, overHTTP2(t, serveHTTP2(t, handler), sessionapi.AuthToken, true)))
			if r.State != sessionapi.InvalidResponse && r.State != sessionapi.Unreachable {
				t.Errorf("%s, want %s or %s: %s", r.State, sessionapi.InvalidResponse, sessionapi.Unreachable, r.Diagnosis)
			}
			if name == "body" && !strings.Contains(r.Diagnosis, "more than 1024 KiB") {
				t.Errorf("diagnosis %s, want … more than 1024 KiB …", r.Diagnosis)
			}
		})
	}
}

// Redirects are not followed.
func TestHTTP2Redirect(t *testing.T) {
	var requests atomic.Int32
	server := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	r := mustProbe(t, newProber(t, overHTTP2(t, server, sessionapi.AuthLogin, true)))
	if r.State != sessionapi.InvalidResponse || requests.Load() != 1 {
		t.Errorf("%s after %d requests: %s", r.State, requests.Load(), r.Diagnosis)
	}
}

// If connection_max_age is 0, each probe has a connection of its own.
func TestHTTP2ConnectionForEachProbe(t *testing.T) {
	connections := make(clients)
	server := serveHTTP2(t, connections.counting(simulator.NewHCX(alice())))
	e := overHTTP2(t, server, sessionapi.AuthLogin, true)
	e.ConnectionMaxAge = 0
	p := newProber(t, e)
	for range 3 {
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
	}
	if len(connections) != 3 {
		t.Errorf("%d connections for 3 probes, want 3", len(connections))
	}
}

// A login that the guard holds back is not written, and does not close the connection that
// it shares with the requests of other endpoints.
func TestHTTP2HeldBackKeepsConnection(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var logins atomic.Int32
	server := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			logins.Add(1)
		}
		entered <- struct{}{}
		<-leave
		json200(hcxUser(`{"username": "alice"}`)).ServeHTTP(w, r)
	}))
	e, other := overHTTP2(t, server, sessionapi.AuthToken, true), overHTTP2(t, server, sessionapi.AuthLogin, true)
	other.HTTP, other.Credential.Name = e.HTTP, "held"
	g := generationOf(t, e, other)
	slow, held := proberOf(t, g, e), proberOf(t, g, other)
	result := make(chan Result)
	go func() { result <- mustProbe(t, slow) }()
	<-entered
	x := held.flow.(*sessionFlow).prepareLogin(other.Credential.Secret.Inline)
	x.BeforeWrite = func() error { return fmt.Errorf("held back") }
	if late := x.SendDetached(t.Context(), time.Minute); late != nil || x.Err == nil || !x.Written.IsZero() {
		t.Errorf("the login was sent: error %v, written at %s", x.Err, x.Written)
	}
	close(leave)
	if r := <-result; r.State != sessionapi.Valid || logins.Load() != 0 {
		t.Errorf("%s after %d logins: %s", r.State, logins.Load(), r.Diagnosis)
	}
}
