package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/boundedfile"
	"session_exporter/secret"
)

// NewTLSConfig returns the TLS configuration of the block. It reads the block's files
// itself, since the library would read a file of any kind and size. The client
// certificate is reread for every handshake, so that a renewed one is presented
// immediately.
func (h *HTTP) NewTLSConfig() (*tls.Config, error) { return newTLSConfig(&h.TLS, h.files) }

// ReadHeaderFile returns the value of a header from its file.
func (h *HTTP) ReadHeaderFile(path string) ([]byte, error) {
	return h.files.Read(path, secret.MaxFileSize)
}

func newTLSConfig(block *promconfig.TLSConfig, files *boundedfile.Reader) (*tls.Config, error) {
	inline, err := inlined(block, files)
	if err != nil {
		return nil, err
	}
	settings, err := promconfig.NewTLSConfig(inline)
	if err != nil || settings.GetClientCertificate == nil || block.CertFile+block.KeyFile == "" {
		return settings, err
	}
	settings.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		inline, err := inlined(block, files)
		if err != nil {
			return nil, err
		}
		fresh, err := promconfig.NewTLSConfig(inline)
		if err != nil {
			return nil, err
		}
		return fresh.GetClientCertificate(request)
	}
	return settings, nil
}

// inlined returns a TLS block with the content of its files instead of their names.
func inlined(block *promconfig.TLSConfig, files *boundedfile.Reader) (*promconfig.TLSConfig, error) {
	if err := block.Validate(); err != nil {
		return nil, err
	}
	inline := *block
	var key string
	for _, f := range []struct {
		name string
		file *string
		text *string
	}{
		{"ca_file", &inline.CAFile, &inline.CA},
		{"cert_file", &inline.CertFile, &inline.Cert},
		{"key_file", &inline.KeyFile, &key},
	} {
		if *f.file == "" {
			continue
		}
		content, err := files.Read(*f.file, maxPEMSize)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if len(content) == 0 { // empty text would mean the system's authorities
			return nil, fmt.Errorf("%s: %w", f.name, secret.ErrEmpty)
		}
		*f.text, *f.file = string(content), ""
	}
	if key != "" {
		inline.Key = promconfig.Secret(key)
	}
	return &inline, nil
}

var (
	errBadCA   = errors.New("ca or ca_file contains no certificate in PEM format")
	errBadPair = errors.New("cert and key must both be in PEM format, and the key must belong to the certificate")
)

// tlsProblem describes why a TLS block cannot be used. It does not return the library's
// errors, which quote file names and parts of keys.
func tlsProblem(err error) error {
	switch {
	case strings.Contains(err.Error(), "specified CA cert"):
		return errBadCA
	case strings.Contains(err.Error(), "client cert"):
		return errBadPair
	}
	return boundedfile.Reason(err)
}
