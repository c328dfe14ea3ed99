package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
)

// TestClientCertificateIsReadAgain presents a renewed certificate at the next
// handshake, and none if the file has become invalid.
func TestClientCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	copyOf := func(name string) string {
		content, err := os.ReadFile(tlsFile(name))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		write(t, file, string(content))
		return file
	}
	settings := &config.HTTP{TLS: promconfig.TLSConfig{CertFile: copyOf("client.pem"), KeyFile: copyOf("client.key"), ServerName: "n"}}
	made, err := settings.NewTLSConfig()
	if err != nil {
		t.Fatal(err)
	}
	first, err := made.GetClientCertificate(nil)
	if err != nil || made.ServerName != "n" {
		t.Fatal(err, made.ServerName)
	}
	again, err := made.GetClientCertificate(nil)
	if err != nil || first == again || !bytes.Equal(first.Certificate[0], again.Certificate[0]) {
		t.Errorf("the certificate is not read again: %v", err)
	}
	for content, want := range map[string]string{
		"":                           "cert_file: it is empty",
		"no PEM":                     "unable to use specified client cert",
		strings.Repeat("x", 1<<20+1): "is larger than 1 MiB",
	} {
		write(t, settings.TLS.CertFile, content)
		if _, err := made.GetClientCertificate(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// An empty file must not select the system's certificate authorities.
func TestEmptyCA(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, "")
	if made, err := (&config.HTTP{TLS: promconfig.TLSConfig{CAFile: file}}).NewTLSConfig(); err == nil || made != nil {
		t.Error("an empty file is accepted as certificate authorities")
	}
	if made, err := (&config.HTTP{TLS: promconfig.TLSConfig{CAFile: tlsFile("ca.pem")}}).NewTLSConfig(); err != nil || made.RootCAs == nil {
		t.Errorf("no authorities: %v", err)
	}
}
