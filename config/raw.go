package config

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
	"session_exporter/sessionapi/custom"
)

// The raw types mirror the file. Pointers distinguish zero values from missing ones.

type rawFile struct {
	Global      rawGlobal                    `yaml:"global,omitempty"`
	Credentials map[string]rawCredential     `yaml:"credentials,omitempty"`
	APIs        map[string]custom.Definition `yaml:"apis,omitempty"`
	Modules     map[string]rawSettings       `yaml:"modules,omitempty"`
	Endpoints   []rawEndpoint                `yaml:"endpoints,omitempty"`
}

type rawGlobal struct {
	Interval    *model.Duration `yaml:"interval,omitempty"`
	Timeout     *model.Duration `yaml:"timeout,omitempty"`
	MetricsDeny []string        `yaml:"metrics_deny,omitempty"`
}

type rawCredential struct {
	Username string `yaml:"username,omitempty"`

	Password     secret.Secret `yaml:"password,omitempty"`
	PasswordFile string        `yaml:"password_file,omitempty"`
	PasswordEnv  string        `yaml:"password_env,omitempty"`

	Token     secret.Secret `yaml:"token,omitempty"`
	TokenFile string        `yaml:"token_file,omitempty"`
	TokenEnv  string        `yaml:"token_env,omitempty"`

	OAuth2 *rawOAuth2 `yaml:"oauth2,omitempty"`

	Expires      *date           `yaml:"expires,omitempty"`
	MaxAge       *model.Duration `yaml:"max_age,omitempty"`
	Origins      []string        `yaml:"origins,omitempty"`
	LockoutGuard rawGuard        `yaml:"lockout_guard,omitempty"`
}

type rawGuard struct {
	Account       string          `yaml:"account,omitempty"`
	MaxRefusals   *int            `yaml:"max_refusals,omitempty"`
	RetryAfter    *model.Duration `yaml:"retry_after,omitempty"`
	MaxRetryAfter *model.Duration `yaml:"max_retry_after,omitempty"`
}

type rawEndpoint struct {
	Name     string            `yaml:"name,omitempty"`
	URL      string            `yaml:"url,omitempty"`
	Module   string            `yaml:"module,omitempty"`
	Labels   map[string]string `yaml:"labels,omitempty"`
	Settings rawSettings       `yaml:",inline"`

	Pairing          string `yaml:"pairing,omitempty"`
	RemoteCredential string `yaml:"remote_credential,omitempty"`
}

// rawSettings are the settings of a module, which an endpoint may override. Blocks
// (login, expect, tls_config, http_headers and the proxy) are replaced as a whole.
type rawSettings struct {
	API        apiName           `yaml:"api,omitempty"`
	Credential string            `yaml:"credential,omitempty"`
	Auth       sessionapi.Auth   `yaml:"auth,omitempty"`
	Login      map[string]string `yaml:"login,omitempty"`

	TokenHeader string `yaml:"token_header,omitempty"`

	Interval         *model.Duration `yaml:"interval,omitempty"`
	Timeout          *model.Duration `yaml:"timeout,omitempty"`
	SessionMaxAge    *model.Duration `yaml:"session_max_age,omitempty"`
	ConnectionMaxAge *model.Duration `yaml:"connection_max_age,omitempty"`
	NegativeControl  *model.Duration `yaml:"negative_control,omitempty"`

	TLSConfig              *promconfig.TLSConfig `yaml:"tls_config,omitempty"`
	HTTPHeaders            *promconfig.Headers   `yaml:"http_headers,omitempty"`
	EnableHTTP2            *bool                 `yaml:"enable_http2,omitempty"`
	promconfig.ProxyConfig `yaml:",inline"`

	Expect *Expect `yaml:"expect,omitempty"`
}

// rawOAuth2 mirrors Prometheus' oauth2 block, with auth_style and further grants, and with
// secrets instead of plain text.
type rawOAuth2 struct {
	GrantType GrantType `yaml:"grant_type,omitempty"`

	ClientID         string        `yaml:"client_id,omitempty"`
	ClientSecret     secret.Secret `yaml:"client_secret,omitempty"`
	ClientSecretFile string        `yaml:"client_secret_file,omitempty"`
	ClientSecretEnv  string        `yaml:"client_secret_env,omitempty"`
	ClientSecretRef  string        `yaml:"client_secret_ref,omitempty"` // rejected
	AuthStyle        AuthStyle     `yaml:"auth_style,omitempty"`

	TokenURL       string                   `yaml:"token_url,omitempty"`
	Scopes         []string                 `yaml:"scopes,omitempty"`
	EndpointParams map[string]secret.Secret `yaml:"endpoint_params,omitempty"`

	Assertion rawAssertion `yaml:",inline"`

	TLSConfig              promconfig.TLSConfig `yaml:"tls_config,omitempty"`
	promconfig.ProxyConfig `yaml:",inline"`
}

// rawAssertion has the keys of the jwt-bearer grant.
type rawAssertion struct {
	ClientCertificateKey     secret.Secret `yaml:"client_certificate_key,omitempty"`
	ClientCertificateKeyFile string        `yaml:"client_certificate_key_file,omitempty"`
	ClientCertificateKeyRef  string        `yaml:"client_certificate_key_ref,omitempty"` // rejected
	ClientCertificateKeyID   string        `yaml:"client_certificate_key_id,omitempty"`

	SignatureAlgorithm signatureAlgorithm         `yaml:"signature_algorithm,omitempty"`
	Issuer             string                     `yaml:"iss,omitempty"`
	Audience           string                     `yaml:"audience,omitempty"`
	Claims             map[string]strictyaml.Tree `yaml:"claims,omitempty"`
}

// maxDuration prevents overflows of sums and doublings.
const maxDuration = 100 * 365 * 24 * time.Hour

type (
	apiName            string // built in, or an entry of the file
	signatureAlgorithm string // of a JWT
)

// signatureAlgorithms are those of RSA (RFC 7518, 3.1), as in Prometheus; the first is the
// default.
var signatureAlgorithms = []signatureAlgorithm{"RS256", "RS384", "RS512"}

// scalars are the types that decode themselves or have a fixed set of values, including
// those of a definition.
var scalars = map[reflect.Type]strictyaml.Scalar{
	reflect.TypeFor[secret.Secret]():         {Words: "text"},
	reflect.TypeFor[model.Duration]():        {Words: durationWords, Valid: isShort, Schema: durationSchema},
	reflect.TypeFor[date]():                  {Words: dateWords, Schema: strictyaml.Pattern(dateWords, `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$`)},
	reflect.TypeFor[promconfig.TLSVersion](): {Words: "one of: " + strings.Join(tlsVersions, ", "), Schema: strictyaml.OneOf(tlsVersions...)},
	reflect.TypeFor[promconfig.URL]():        {Words: proxyWords, Schema: strictyaml.Pattern(proxyWords, `^([A-Za-z0-9]+://.+)?$`)},
	reflect.TypeFor[apiName]():               {Schema: strictyaml.Suggested(APINames()...)},
	reflect.TypeFor[sessionapi.Auth]():       {Schema: strictyaml.OneOf(sessionapi.Auths()...)},
	reflect.TypeFor[AuthStyle]():             {Schema: strictyaml.OneOf(AuthStyleHeader, AuthStyleParams)},
	reflect.TypeFor[GrantType]():             {Schema: strictyaml.OneOf(grantTypes...)},
	reflect.TypeFor[signatureAlgorithm]():    {Schema: strictyaml.OneOf(signatureAlgorithms...)},
}

func init() { maps.Copy(scalars, custom.Scalars) }

const (
	durationWords = "a duration such as 30s, 5m or 90d, at most 100y"
	dateWords     = "a date such as 2027-01-31 or 2027-01-31T12:00:00Z"
	proxyWords    = "a URL such as http://proxy.example.com:3128"
)

var tlsVersions = slices.Sorted(maps.Keys(promconfig.TLSVersions))

// durationSchema also allows the number 0, which needs no unit.
var durationSchema = strictyaml.Schema{"anyOf": []strictyaml.Schema{
	strictyaml.Pattern(durationWords, `^(0|([0-9]+(ms|[smhdwy]))+)$`),
	{"enum": []int{0}},
}}

// APINames returns the names of the APIs that are built in or in the catalogue.
func APINames() []string {
	names := slices.AppendSeq(catalogue.Names(), maps.Keys(sessionapi.BuiltIn()))
	slices.Sort(names)
	return slices.Compact(names)
}

// Schema returns the JSON Schema of a configuration file, with the documentation of its
// keys: see Decoder.Schema of package strictyaml.
func Schema(document func(block strictyaml.Key, name string) (strictyaml.Documentation, bool)) strictyaml.Schema {
	return (&strictyaml.Decoder{Scalars: scalars}).Schema(reflect.TypeFor[rawFile](), document)
}

func isShort(duration any) bool {
	d, ok := duration.(*model.Duration)
	return ok && time.Duration(*d) <= maxDuration
}

// date is a day or a time.
type date struct{ time.Time }

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *date) UnmarshalYAML(node *yaml.Node) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, node.Value); err == nil {
			d.Time = t
			return nil
		}
	}
	return errors.New("must be " + dateWords)
}
