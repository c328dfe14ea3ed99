package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	promconfig "github.com/prometheus/common/config"
)

// Files are the files that the configuration was made of: its own, and those of
// certificates and keys. A change in one of them asks for a reload.
func (c *Config) Files() []string {
	files := []string{c.File}
	for _, credential := range c.Credentials {
		if credential.OAuth2 != nil {
			files = append(files, tlsFiles(&credential.OAuth2.TLSConfig)...)
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

// tlsFiles are the files that a TLS block names; empty for those it does not.
func tlsFiles(tls *promconfig.TLSConfig) []string {
	return []string{tls.CAFile, tls.CertFile, tls.KeyFile}
}

// SecretFiles are the files that credentials' secrets are in. They are read
// when they are used, so a change in one of them asks for no reload.
func (c *Config) SecretFiles() []string {
	var files []string
	for _, credential := range c.Credentials {
		files = append(files, credential.Secret.File)
	}
	return distinct(files)
}

func distinct(files []string) []string {
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool { return file == "" })
}

// Fingerprint tells two contents of files apart. A file that cannot be read has
// a content of its own; no file has an empty fingerprint.
func Fingerprint(files ...string) string {
	files = distinct(slices.Clone(files))
	if len(files) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, file := range files {
		content, err := ReadFile(file)
		fmt.Fprintf(sum, "%q %t %d\n", file, err == nil, len(content))
		_, _ = sum.Write(content) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil))
}
