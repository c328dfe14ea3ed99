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
	Global      globalShape                `yaml:"global"`
	Credentials map[string]credentialShape `yaml:"credentials"`
	Modules     map[string]settingsShape   `yaml:"modules"`
	Endpoints   []endpointShape            `yaml:"endpoints"`
}

type globalShape struct {
	Interval    *model.Duration `yaml:"interval"`
	Timeout     *model.Duration `yaml:"timeout"`
	MetricsDeny []string        `yaml:"metrics_deny"`
}

type credentialShape struct {
	Username string `yaml:"username"`

	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`

	Token     Secret `yaml:"token"`
	TokenFile string `yaml:"token_file"`
	TokenEnv  string `yaml:"token_env"`

	OAuth2 *promconfig.OAuth2 `yaml:"oauth2"`

	Expires      *date           `yaml:"expires"`
	MaxAge       *model.Duration `yaml:"max_age"`
	Origins      []string        `yaml:"origins"`
	LockoutGuard guardShape      `yaml:"lockout_guard"`
}

type guardShape struct {
	MaxRefusals   *int            `yaml:"max_refusals"`
	RetryAfter    *model.Duration `yaml:"retry_after"`
	MaxRetryAfter *model.Duration `yaml:"max_retry_after"`
}

type endpointShape struct {
	Name     string            `yaml:"name"`
	URL      string            `yaml:"url"`
	Module   string            `yaml:"module"`
	Labels   map[string]string `yaml:"labels"`
	Settings settingsShape     `yaml:",inline"`
}

// settingsShape is what a module says and an endpoint may override. Blocks
// (login, expect, tls_config, http_headers and the proxy) are replaced whole.
type settingsShape struct {
	API        string            `yaml:"api"`
	Credential string            `yaml:"credential"`
	Auth       Auth              `yaml:"auth"`
	Login      map[string]string `yaml:"login"`

	Interval         *model.Duration `yaml:"interval"`
	Timeout          *model.Duration `yaml:"timeout"`
	SessionMaxAge    *model.Duration `yaml:"session_max_age"`
	ConnectionMaxAge *model.Duration `yaml:"connection_max_age"`

	TLSConfig              *promconfig.TLSConfig `yaml:"tls_config"`
	HTTPHeaders            *promconfig.Headers   `yaml:"http_headers"`
	promconfig.ProxyConfig `yaml:",inline"`

	Expect *Expect `yaml:"expect"`
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
