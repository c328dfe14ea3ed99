package cli

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	respond := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	overTLS := func(settings *tls.Config) *httptest.Server {
		server := httptest.NewUnstartedServer(respond(http.StatusOK))
		server.TLS = settings
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.StartTLS()
		return server
	}
	toTLS := func(server *httptest.Server) *httptest.Server {
		server.URL = strings.Replace(server.URL, "http:", "https:", 1)
		return server
	}
	for _, tc := range []struct {
		name   string
		server *httptest.Server
		want   int
	}{
		{"healthy", httptest.NewServer(respond(http.StatusOK)), exitOK},
		{"by TLS, for another name", httptest.NewTLSServer(respond(http.StatusOK)), exitOK},
		{"requires a certificate", overTLS(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}), exitOK},
		{"requires a certificate with TLS 1.2", overTLS(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12}), exitOK},
		{"cannot do TLS as it should", overTLS(&tls.Config{MaxVersion: tls.VersionTLS10}), exitFailed},
		{"speaks no TLS", toTLS(httptest.NewServer(respond(http.StatusOK))), exitFailed},
		{"requires a password", httptest.NewServer(respond(http.StatusUnauthorized)), exitOK},
		{"something else", httptest.NewServer(respond(http.StatusNotFound)), exitFailed},
		{"broken", httptest.NewServer(respond(http.StatusInternalServerError)), exitFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer tc.server.Close()
			var stderr strings.Builder
			if code := Run(t.Context(), []string{"healthcheck", "--url", tc.server.URL + "/-/healthy"}, io.Discard, &stderr); code != tc.want {
				t.Errorf("exit code %d, want %d; %s", code, tc.want, &stderr)
			}
		})
	}
	for url, want := range map[string]int{"http://127.0.0.1:1": exitFailed, "://": exitUsage} {
		if code := Run(t.Context(), []string{"healthcheck", "--url", url}, io.Discard, io.Discard); code != want {
			t.Errorf("%s: exit code %d, want %d", url, code, want)
		}
	}
}
