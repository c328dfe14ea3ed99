package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
)

// TestPodResponds starts the exporter as each build's container does, and sends the
// requests of its probes and its health check.
func TestPodResponds(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "session_exporter.yml")
	write(t, file, oneEndpoint)
	program := exporter(t)
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			container := onlyWorkload(t, objects).container(t)
			args := []string{"--config.file=" + file}
			for _, argument := range container.Args {
				switch name, _, _ := strings.Cut(argument, "="); name {
				case "--config.file":
				case "--web.config.file":
					args = append(args, name+"="+webConfig(t))
				default:
					args = append(args, strings.ReplaceAll(argument, "$(POD_INDEX)", "0"))
				}
			}
			base := start(t, program, args...)
			for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe} {
				if probe.HTTPGet != nil {
					get(t, base+probe.HTTPGet.Path)
					continue
				}
				command := slices.Clone(probe.Exec.Command[1:])
				command[len(command)-1] = strings.Replace(command[len(command)-1], "https://127.0.0.1:10987", base, 1)
				if output, err := exec.CommandContext(t.Context(), program, command...).CombinedOutput(); err != nil || !strings.Contains(strings.Join(command, " "), base) {
					t.Errorf("%q: %v: %s", command, err, output)
				}
			}
		})
	}
}

// webConfig returns a file for --web.config.file, with a certificate and a password.
func webConfig(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	certificate := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	must(t, err)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	must(t, err)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "tls.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	write(t, filepath.Join(folder, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	write(t, filepath.Join(folder, "web.yml"), fmt.Sprintf("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\nbasic_auth_users: {prometheus: %q}\n", hash))
	return filepath.Join(folder, "web.yml")
}

// start starts the exporter, waits until it is healthy, and returns its base URL.
func start(t *testing.T, program string, args ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	base := "http://" + address
	if slices.ContainsFunc(args, func(argument string) bool { return strings.HasPrefix(argument, "--web.config.file=") }) {
		base = "https://" + address
	}
	process := exec.CommandContext(t.Context(), program, append(args, "--web.listen-address="+address)...)
	var log bytes.Buffer
	process.Stderr = &log
	must(t, process.Start())
	t.Cleanup(func() { _ = process.Wait() }) // the test's context stops it
	for deadline := time.Now().Add(30 * time.Second); ; {
		healthcheck := exec.CommandContext(t.Context(), program, "healthcheck", "--url="+base+"/-/healthy")
		output, err := healthcheck.CombinedOutput()
		if err == nil {
			return base
		}
		if time.Now().After(deadline) {
			_ = process.Process.Kill()
			_ = process.Wait() // so that the log is complete
			t.Fatalf("the exporter is not healthy: %v: %s\n%s", err, output, log.String())
		}
	}
}

// get returns the body of a response, whose status must be 200.
func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }() // nothing was written
	body, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body)
}
