package cli

import (
	"bytes"
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"session_exporter/config"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
)

// document is a small configuration file, with one credential and one module.
type document struct {
	APIs        map[string]yaml.Node          `yaml:"apis,omitempty"`
	Credentials map[string]documentCredential `yaml:"credentials"`
	Modules     map[string]documentModule     `yaml:"modules"`
	Endpoints   []documentEndpoint            `yaml:"endpoints"`
}

type documentCredential struct {
	Username     string            `yaml:"username,omitempty"`
	Password     string            `yaml:"password,omitempty"`
	PasswordFile string            `yaml:"password_file,omitempty"`
	TokenFile    string            `yaml:"token_file,omitempty"`
	LockoutGuard map[string]string `yaml:"lockout_guard,omitempty,flow"`
}

type documentModule struct {
	API        string            `yaml:"api"`
	Credential string            `yaml:"credential"`
	Auth       string            `yaml:"auth,omitempty"`
	Login      map[string]string `yaml:"login,omitempty,flow"`
	Interval   string            `yaml:"interval,omitempty"`
	Timeout    string            `yaml:"timeout,omitempty"`
	ProxyURL   string            `yaml:"proxy_url,omitempty"`
	TLS        documentTLS       `yaml:"tls_config,omitempty"`
	HTTP2      bool              `yaml:"enable_http2,omitempty"`
}

type documentTLS struct {
	CAFile             string `yaml:"ca_file,omitempty"`
	CertFile           string `yaml:"cert_file,omitempty"`
	KeyFile            string `yaml:"key_file,omitempty"`
	ServerName         string `yaml:"server_name,omitempty"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify,omitempty"`
}

type documentEndpoint struct {
	Name   string `yaml:"name"`
	URL    string `yaml:"url"`
	Module string `yaml:"module"`
}

// text returns the document as a configuration file.
func (d *document) text() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(d)
	return b.Bytes(), err
}

// example returns the catalogue's configuration for an API, or one built from its properties
// if it is built in and not in the catalogue. ok is false for other names.
func example(api string) (d document, ok bool) {
	if text, ok := catalogue.File(api); ok {
		_ = yaml.Unmarshal(text, &d) // the tests load all of them
		return d, true
	}
	builtIn, ok := sessionapi.BuiltIn()[api]
	if !ok {
		return d, false
	}
	return exampleOf(api, builtIn.Spec().URL), true
}

// exampleOf returns a configuration for an API with an address as the hints describe it.
func exampleOf(api string, hints sessionapi.URLHints) document {
	address := url.URL{Scheme: "https", Host: api + ".example.com", Path: hints.BasePath}
	if hints.Port != "" {
		address.Host += ":" + hints.Port
	}
	return document{
		Credentials: map[string]documentCredential{"monitor": {Username: "monitor", PasswordFile: "secret"}},
		Modules:     map[string]documentModule{api: {API: api, Credential: "monitor"}},
		Endpoints:   []documentEndpoint{{Name: api + "-a", URL: address.String(), Module: api}},
	}
}

// only returns the only entry of a map.
func only[V any](entries map[string]V) (name string, entry V) {
	for name, entry = range entries {
		break
	}
	return name, entry
}

// likelyAPIs returns the APIs whose example has the same port as the URL or a similar path.
func likelyAPIs(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(config.APINames(), func(name string) bool {
		d, _ := example(name)
		usual, err := url.Parse(d.Endpoints[0].URL)
		if err != nil {
			return true
		}
		base := path.Dir(path.Dir(cmp.Or(usual.Path, "/"))) // for dr: /api/rest, which its products share
		samePath := base != "/" && strings.HasPrefix(u.Path, base+"/")
		return !samePath && (u.Port() == "" || u.Port() != usual.Port())
	})
}

// knownAPIs returns the names of the APIs that the user need not define.
func knownAPIs() map[string]bool {
	known := make(map[string]bool)
	for _, name := range config.APINames() {
		known[name] = true
	}
	return known
}
