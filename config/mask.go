package config

import (
	"maps"
	"slices"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// masked returns the file with everything masked that may be a secret although its type
// is not Secret.
func (f rawFile) masked() rawFile {
	f.Credentials = maps.Clone(f.Credentials)
	for name, credential := range f.Credentials {
		f.Credentials[name] = credential.masked()
	}
	f.APIs = maps.Clone(f.APIs)
	for name, api := range f.APIs {
		f.APIs[name] = api.Masked()
	}
	f.Modules = maps.Clone(f.Modules)
	for name, module := range f.Modules {
		f.Modules[name] = module.masked()
	}
	f.Endpoints = slices.Clone(f.Endpoints)
	for i := range f.Endpoints {
		f.Endpoints[i].Settings = f.Endpoints[i].Settings.masked()
	}
	return f
}

func (c rawCredential) masked() rawCredential {
	if c.OAuth2 == nil || c.OAuth2.Assertion.Claims == nil {
		return c
	}
	block := *c.OAuth2
	block.Assertion.Claims = maps.Clone(block.Assertion.Claims)
	for name := range block.Assertion.Claims {
		block.Assertion.Claims[name] = strictyaml.TextTree(secret.Masked)
	}
	c.OAuth2 = &block
	return c
}

func (s rawSettings) masked() rawSettings {
	s.Login = maps.Clone(s.Login)
	for option, value := range s.Login {
		if secret.MayBeSecret(value) {
			s.Login[option] = secret.Masked
		}
	}
	if s.HTTPHeaders == nil {
		return s
	}
	headers := promconfig.Headers{Headers: maps.Clone(s.HTTPHeaders.Headers)}
	for name, header := range headers.Headers {
		header.Values = slices.Clone(header.Values)
		for i, value := range header.Values {
			if sessionapi.SecretHeader(name, value) {
				header.Values[i] = secret.Masked
			}
		}
		headers.Headers[name] = header
	}
	s.HTTPHeaders = &headers
	return s
}
