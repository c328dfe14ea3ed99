package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noEndpoints is a configuration without endpoints.
const noEndpoints = "modules: {dr: {api: dr}}\n"

// TestWebConfig: --web.config.file sets TLS and passwords, as for other exporters.
func TestWebConfig(t *testing.T) {
	t.Parallel()
	const (
		webPassword = canary + "web"
		hash        = "$2a$04$ogfThlbJ/wXcqO6SwWnYZenbwV8dfXCohyyWPZcKUkvJRzyKlytUK"
	)
	certificate, key := selfSigned(t)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "web.yml"), fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q}\nbasic_auth_users: {prometheus: %s}\n",
		write(t, filepath.Join(dir, "cert.pem"), certificate), write(t, filepath.Join(dir, "key.pem"), key), hash))
	p := launch(t, binary, "--web.config.file="+file, "--web.listen-address=127.0.0.1:0", "--config.file="+configFile(t, noEndpoints))
	url := "https://" + p.address(t)

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	for _, c := range []struct {
		name, user, password string
		status               int
	}{
		{"no credentials", "", "", http.StatusUnauthorized},
		{"wrong password", "prometheus", canary + "wrong", http.StatusUnauthorized},
		{"wrong user", "grafana", webPassword, http.StatusUnauthorized},
		{"right", "prometheus", webPassword, http.StatusOK},
	} {
		for _, path := range []string{"/", "/metrics", "/-/healthy"} {
			request := httptest.NewRequest(http.MethodGet, url+path, http.NoBody)
			request.RequestURI = ""
			if c.user != "" {
				request.SetBasicAuth(c.user, c.password)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != c.status {
				t.Errorf("%s: %s: %s, want %d", c.name, path, response.Status, c.status)
			}
		}
	}
	if response, err := http.Get("http" + strings.TrimPrefix(url, "https") + "/metrics"); err == nil {
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			t.Error("the metrics are served without TLS too")
		}
	}
}

// selfSigned creates a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestNegotiation: the exporter responds in the format and encoding that a scraper requests.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	x := serve(t, noEndpoints)
	const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for _, c := range []struct{ accept, encoding, contentType, contentEncoding string }{
		{"", "", "text/plain; version=0.0.4", ""},
		{"text/plain;version=0.0.4", "gzip", "text/plain; version=0.0.4", "gzip"},
		{"application/openmetrics-text;version=1.0.0", "zstd", "application/openmetrics-text; version=1.0.0", "zstd"},
		{protobuf, "gzip", "application/vnd.google.protobuf", "gzip"},
	} {
		request := httptest.NewRequest(http.MethodGet, x.url+"/metrics", http.NoBody)
		request.RequestURI = ""
		request.Header.Set("Accept", c.accept)
		request.Header.Set("Accept-Encoding", c.encoding)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if got := response.Header; err != nil || response.StatusCode != http.StatusOK || len(body) == 0 ||
			!strings.HasPrefix(got.Get("Content-Type"), c.contentType) || got.Get("Content-Encoding") != c.contentEncoding {
			t.Errorf("%+v gives %s, %v, %d bytes, error %v", c, response.Status, got, len(body), err)
		}
	}
}

// TestPaths: --web.external-url and --web.telemetry-path change the paths.
func TestPaths(t *testing.T) {
	t.Parallel()
	x := serve(t, noEndpoints, "--web.external-url=https://example.com/sessions/", "--web.telemetry-path=/numbers")
	for path, status := range map[string]int{
		"/sessions/": 200, "/sessions/numbers": 200, "/sessions/-/healthy": 200, "/sessions/-/ready": 200,
		"/sessions/metrics": 404, "/numbers": 404,
	} {
		response, err := http.Get(x.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, response.Status, status)
		}
	}
}

// TestMetricsDeny: metrics that match metrics_deny are exposed neither by the exporter nor by
// the command probe.
func TestMetricsDeny(t *testing.T) {
	t.Parallel()
	a := newDR(t, withAccount(password))
	configuration := fmt.Sprintf(strings.Replace(prelude, "interval: 4s", `interval: 4s, metrics_deny: ["session_state", "go_.*", "session_exporter_e.*"]`, 1)+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account}
`, caFile, user, secretFile(t, password), a.url)
	denied := func(m metrics) {
		m.check(t, want{"session_up": 1})
		for name := range m {
			if name == "session_state" || strings.HasPrefix(name, "go_") || name == "session_exporter_endpoints" {
				t.Errorf("%s is exposed", name)
			}
		}
	}
	x := serve(t, configuration)
	denied(x.await(t, want{"session_up": 1}))
	denied(parse(t, run(t, "probe", "--config.file="+configFile(t, configuration), "-o", "metrics", "a").stdout))
}
