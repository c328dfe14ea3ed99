package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/boundedfile"
)

// Files returns the files of the configuration: its own, and those of certificates and
// keys. If one of them changes, a reload is necessary.
func (c *Config) Files() []string {
	files := []string{c.File}
	for _, credential := range c.Credentials {
		if credential.OAuth2 != nil {
			files = append(files, tlsFiles(&credential.OAuth2.HTTP.TLS)...)
		}
	}
	for _, module := range c.Modules {
		files = append(files, tlsFiles(&module.HTTP.TLS)...)
	}
	for _, endpoint := range c.Endpoints {
		files = append(files, tlsFiles(&endpoint.HTTP.TLS)...)
	}
	return distinct(files)
}

// tlsFiles returns the files of a TLS block, empty if not set.
func tlsFiles(tls *promconfig.TLSConfig) []string {
	return []string{tls.CAFile, tls.CertFile, tls.KeyFile}
}

// SecretFiles returns the files with credentials' secrets. They are read when they are
// used, so their changes require no reload.
func (c *Config) SecretFiles() []string {
	var files []string
	for _, credential := range c.Credentials {
		files = append(files, credential.Secret.File)
		if credential.OAuth2 != nil {
			files = append(files, credential.OAuth2.ClientSecret.File)
		}
	}
	return distinct(files)
}

func distinct(files []string) []string {
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool { return file == "" })
}

// fingerprint returns a hash of the files' content.
func fingerprint(reader *boundedfile.Reader, files []string) string {
	files = distinct(slices.Clone(files))
	if len(files) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, file := range files {
		content, err := reader.Read(file, MaxSize)
		fmt.Fprintf(sum, "%q %t %d\n", file, err == nil, len(content))
		_, _ = sum.Write(content) // a hash returns no errors
	}
	return hex.EncodeToString(sum.Sum(nil))
}
