package custom

import (
	"reflect"
	"slices"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// Definition is an entry of `apis` as it is written: see Compile.
type Definition struct {
	Auth       []sessionapi.Auth           `yaml:"auth,omitempty"`
	Headers    map[string]string           `yaml:"headers,omitempty"`
	Login      *loginDefinition            `yaml:"login,omitempty"`
	Session    []partDefinition            `yaml:"session,omitempty"`
	Check      checkDefinition             `yaml:"check,omitempty"`
	Logout     *requestDefinition          `yaml:"logout,omitempty"`
	Body       strictyaml.Tree             `yaml:"body,omitempty"`
	ErrorCodes map[string]sessionapi.State `yaml:"error_codes,omitempty"`
	Answer     answerDefinition            `yaml:"answer,omitempty"`
	States     []ruleDefinition            `yaml:"states,omitempty"`
}

// Scalars are the types of a definition that decode in a way of their own, or have few
// values.
var Scalars = map[reflect.Type]strictyaml.Scalar{
	reflect.TypeFor[ExpressionText]():   {Words: "an expression"},
	reflect.TypeFor[send]():             {Schema: strictyaml.OneOf(sendBasic, sendJSON, sendForm)},
	reflect.TypeFor[place]():            {Schema: strictyaml.OneOf(inHeader, inCookie, inBody, inPath)},
	reflect.TypeFor[sessionapi.State](): {Schema: strictyaml.OneOf(sessionapi.ResponseStates()...)},
}

type requestDefinition struct {
	Method string          `yaml:"method,omitempty"`
	Path   string          `yaml:"path,omitempty"`
	Send   send            `yaml:"send,omitempty"`
	Body   strictyaml.Tree `yaml:"body,omitempty"`
}

type checkDefinition struct {
	requestDefinition `yaml:",inline"`
	SecretBody        bool `yaml:"secret_body,omitempty"`
}

// IsZero implements yaml.IsZeroer: the encoder does not look into an embedded type that is not
// exported.
func (d checkDefinition) IsZero() bool { return reflect.ValueOf(d).IsZero() }

type loginDefinition struct {
	requestDefinition `yaml:",inline"`
	Options           map[string][]string `yaml:"options,omitempty"`
}

// sourceDefinition is a place in a login's response that has a part of the session.
type sourceDefinition struct {
	From place  `yaml:"from,omitempty"`
	Name string `yaml:"name,omitempty"`
}

type partDefinition struct {
	sourceDefinition `yaml:",inline"`
	Or               []sourceDefinition `yaml:"or,omitempty"`
	Optional         bool               `yaml:"optional,omitempty"`
	To               place              `yaml:"to,omitempty"`
	As               string             `yaml:"as,omitempty"`
	Prefix           string             `yaml:"prefix,omitempty"`
}

type answerDefinition struct {
	Authenticated ExpressionText `yaml:"authenticated,omitempty"`
	Username      ExpressionText `yaml:"username,omitempty"`
	Organization  ExpressionText `yaml:"organization,omitempty"`
	Enterprise    ExpressionText `yaml:"enterprise,omitempty"`
	Version       ExpressionText `yaml:"version,omitempty"`
	Roles         ExpressionText `yaml:"roles,omitempty"`
	Organizations ExpressionText `yaml:"organizations,omitempty"`
	ErrorCode     ExpressionText `yaml:"error_code,omitempty"`
	Message       ExpressionText `yaml:"message,omitempty"`
	OperationID   ExpressionText `yaml:"operation_id,omitempty"`
	Expiry        ExpressionText `yaml:"expiry,omitempty"`
	ExpiryOf      ExpressionText `yaml:"expiry_of,omitempty"`
	ServerTime    ExpressionText `yaml:"server_time,omitempty"`
}

type ruleDefinition struct {
	When  ExpressionText   `yaml:"when,omitempty"`
	State sessionapi.State `yaml:"state,omitempty"`
	Why   string           `yaml:"why,omitempty"`
}

// Masked returns the definition without the literals in the login's body that may be
// secrets.
func (d *Definition) Masked() Definition {
	masked := *d
	if d.Login != nil {
		login := *d.Login
		login.Body = maskTree(login.Body)
		masked.Login = &login
	}
	return masked
}

func maskTree(t strictyaml.Tree) strictyaml.Tree {
	if secret.MayBeSecret(variables.ReplaceAllString(t.Text, "")) {
		t.Text, t.Tag = secret.Masked, "!!str"
	}
	t.Items = slices.Clone(t.Items)
	for i := range t.Items {
		t.Items[i] = maskTree(t.Items[i])
	}
	return t
}
