package config

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
)

// Files are the files that the configuration was made of: its own, and those of
// certificates and keys. A change in one of them asks for a reload.
func (c *Config) Files() []string {
	files := []string{c.File}
	for _, credential := range c.Credentials {
		if credential.OAuth2 != nil {
			tls := credential.OAuth2.TLSConfig
			files = append(files, tls.CAFile, tls.CertFile, tls.KeyFile)
		}
	}
	for _, endpoint := range c.Endpoints {
		tls := endpoint.HTTP.TLS
		files = append(files, tls.CAFile, tls.CertFile, tls.KeyFile)
	}
	return distinct(files)
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
// a content of its own.
func Fingerprint(files ...string) string {
	sum := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		fmt.Fprintf(sum, "%q %t %d\n", file, err == nil, len(content))
		_, _ = sum.Write(content) // a hash takes everything
	}
	return string(sum.Sum(nil))
}
