package cli

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
		{"over TLS, with a certificate for another name", httptest.NewTLSServer(respond(http.StatusOK)), exitOK},
		{"requires a certificate", overTLS(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}), exitOK},
		{"requires a certificate with TLS 1.2", overTLS(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12}), exitOK},
		{"supports only TLS 1.0", overTLS(&tls.Config{MaxVersion: tls.VersionTLS10}), exitFailed},
		{"does not support TLS", toTLS(httptest.NewServer(respond(http.StatusOK))), exitFailed},
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

// Without --url, the health check uses the flags of the container's first process.
func TestHealthcheckFollowsTheExporter(t *testing.T) {
	tls := filepath.Join(t.TempDir(), "web.yml")
	must(t, os.WriteFile(tls, []byte("tls_server_config: {cert_file: c, key_file: k}\n"), 0o600))
	for commandLine, want := range map[string]string{
		"":                                  defaultHealthURL,
		"/usr/lib/systemd/systemd --system": defaultHealthURL,
		"/session_exporter simulate":        defaultHealthURL,
		"/session_exporter --config.file=/etc/session_exporter/session_exporter.yml":             defaultHealthURL,
		"/session_exporter demo --web.listen-address=:80":                                        "http://127.0.0.1:80/-/healthy",
		"/session_exporter serve --web.listen-address [::1]:80 --web.listen-address=:81":         "http://[::1]:80/-/healthy",
		"/session_exporter --web.config.file=" + tls:                                             "https://127.0.0.1:10987/-/healthy",
		"/session_exporter --web.external-url=https://example.com/out --log.level=debug":         "http://127.0.0.1:10987/out/-/healthy",
		"/sbin/docker-init -- /session_exporter --web.route-prefix=/in --web.listen-address=:80": "http://127.0.0.1:80/in/-/healthy",
		"/session_exporter --web.external-url=out":                                               defaultHealthURL,
	} {
		if got := healthURL([]byte(strings.ReplaceAll(commandLine, " ", "\x00") + "\x00")); got != want {
			t.Errorf("%s: %s, want %s", commandLine, got, want)
		}
	}
}
