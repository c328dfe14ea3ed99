package config

import (
	"errors"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// The shapes are the file as it is written. Pointers tell what was said from
// what was not; what is said wins over the module's, then the global setting.

type fileShape struct {
	Global      globalShape                `yaml:"global,omitempty"`
	Credentials map[string]credentialShape `yaml:"credentials,omitempty"`
	APIs        map[string]apiShape        `yaml:"apis,omitempty"`
	Modules     map[string]settingsShape   `yaml:"modules,omitempty"`
	Endpoints   []endpointShape            `yaml:"endpoints,omitempty"`
}

type globalShape struct {
	Interval    *model.Duration `yaml:"interval,omitempty"`
	Timeout     *model.Duration `yaml:"timeout,omitempty"`
	MetricsDeny []string        `yaml:"metrics_deny,omitempty"`
}

type credentialShape struct {
	Username string `yaml:"username,omitempty"`

	Password     Secret `yaml:"password,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
	PasswordEnv  string `yaml:"password_env,omitempty"`

	Token     Secret `yaml:"token,omitempty"`
	TokenFile string `yaml:"token_file,omitempty"`
	TokenEnv  string `yaml:"token_env,omitempty"`

	OAuth2 *promconfig.OAuth2 `yaml:"oauth2,omitempty"`

	Expires      *date           `yaml:"expires,omitempty"`
	MaxAge       *model.Duration `yaml:"max_age,omitempty"`
	Origins      []string        `yaml:"origins,omitempty"`
	LockoutGuard guardShape      `yaml:"lockout_guard,omitempty"`
}

type guardShape struct {
	MaxRefusals   *int            `yaml:"max_refusals,omitempty"`
	RetryAfter    *model.Duration `yaml:"retry_after,omitempty"`
	MaxRetryAfter *model.Duration `yaml:"max_retry_after,omitempty"`
}

type endpointShape struct {
	Name     string            `yaml:"name,omitempty"`
	URL      string            `yaml:"url,omitempty"`
	Module   string            `yaml:"module,omitempty"`
	Labels   map[string]string `yaml:"labels,omitempty"`
	Settings settingsShape     `yaml:",inline"`

	Pairing          string `yaml:"pairing,omitempty"`
	RemoteCredential string `yaml:"remote_credential,omitempty"`
}

// settingsShape is what a module says and an endpoint may override. Blocks
// (login, expect, tls_config, http_headers and the proxy) are replaced whole.
type settingsShape struct {
	API        string            `yaml:"api,omitempty"`
	Credential string            `yaml:"credential,omitempty"`
	Auth       Auth              `yaml:"auth,omitempty"`
	Login      map[string]string `yaml:"login,omitempty"`

	Interval         *model.Duration `yaml:"interval,omitempty"`
	Timeout          *model.Duration `yaml:"timeout,omitempty"`
	SessionMaxAge    *model.Duration `yaml:"session_max_age,omitempty"`
	ConnectionMaxAge *model.Duration `yaml:"connection_max_age,omitempty"`

	TLSConfig              *promconfig.TLSConfig `yaml:"tls_config,omitempty"`
	HTTPHeaders            *promconfig.Headers   `yaml:"http_headers,omitempty"`
	promconfig.ProxyConfig `yaml:",inline"`

	Expect *Expect `yaml:"expect,omitempty"`
}

// date is a day or an instant.
type date struct{ time.Time }

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *date) UnmarshalYAML(node *yaml.Node) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, node.Value); err == nil {
			d.Time = t
			return nil
		}
	}
	return errors.New("must be a date such as 2027-01-31 or 2027-01-31T12:00:00Z")
}
