package custom

import (
	"maps"
	"reflect"
	"regexp"
	"slices"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// Definition is an entry of `apis` as it is written: see Compile.
type Definition struct {
	Auth       []sessionapi.Auth           `yaml:"auth,omitempty"`
	Headers    map[string]string           `yaml:"headers,omitempty"`
	Cookies    cookiePolicy                `yaml:"cookies,omitempty"`
	Login      *loginDefinition            `yaml:"login,omitempty"`
	Session    []partDefinition            `yaml:"session,omitempty"`
	Check      checkDefinition             `yaml:"check,omitempty"`
	Logout     *logoutDefinition           `yaml:"logout,omitempty"`
	Body       strictyaml.Tree             `yaml:"body,omitempty"`
	ErrorCodes map[string]sessionapi.State `yaml:"error_codes,omitempty"`
	Answer     answerDefinition            `yaml:"answer,omitempty"`
	States     []ruleDefinition            `yaml:"states,omitempty"`
}

// Scalars are the types of a definition that decode themselves or have a fixed set of values.
var Scalars = map[reflect.Type]strictyaml.Scalar{
	reflect.TypeFor[ExpressionText]():   {Words: "an expression"},
	reflect.TypeFor[send]():             {Schema: strictyaml.OneOf(sendBasic, sendJSON, sendForm)},
	reflect.TypeFor[cookiePolicy]():     {Schema: strictyaml.OneOf(keepCookies)},
	reflect.TypeFor[place]():            {Schema: strictyaml.OneOf(inHeader, inCookie, inBody, inPath)},
	reflect.TypeFor[sessionapi.State](): {Schema: strictyaml.OneOf(sessionapi.ResponseStates()...)},
}

type requestDefinition struct {
	Method string          `yaml:"method,omitempty"`
	Path   string          `yaml:"path,omitempty"`
	Send   send            `yaml:"send,omitempty"`
	Body   strictyaml.Tree `yaml:"body,omitempty"`
}

// requestsDefinition is a single request, or several.
type requestsDefinition struct {
	requestDefinition `yaml:",inline"`
	Steps             []stepDefinition `yaml:"steps,omitempty"`
}

type loginDefinition struct {
	requestsDefinition `yaml:",inline"`
	Options            map[string][]string `yaml:"options,omitempty"`
}

type checkDefinition struct {
	requestsDefinition `yaml:",inline"`
	SecretBody         bool `yaml:"secret_body,omitempty"`
}

// IsZero makes `omitempty` omit a definition that is not set.
func (d checkDefinition) IsZero() bool { return reflect.ValueOf(d).IsZero() }

type logoutDefinition struct {
	requestDefinition `yaml:",inline"`
	Success           []int `yaml:"success,omitempty"`
}

// stepDefinition is one of several requests.
type stepDefinition struct {
	requestDefinition `yaml:",inline"`
	Headers           map[string]string         `yaml:"headers,omitempty"`
	Success           []int                     `yaml:"success,omitempty"`
	Keep              map[string]ExpressionText `yaml:"keep,omitempty"`
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

// Masked returns the definition without the literals of its requests that may be secrets.
func (d *Definition) Masked() Definition {
	masked := *d
	masked.Headers = maskHeaders(d.Headers, func(value string) string { return value }) // no variables
	if d.Login != nil {
		login := *d.Login
		login.requestsDefinition = login.masked()
		masked.Login = &login
	}
	masked.Check.requestsDefinition = d.Check.masked()
	if d.Logout != nil {
		logout := *d.Logout
		logout.Body = maskTree(logout.Body)
		masked.Logout = &logout
	}
	return masked
}

func (d requestsDefinition) masked() requestsDefinition {
	d.Body = maskTree(d.Body)
	d.Steps = slices.Clone(d.Steps)
	for i := range d.Steps {
		d.Steps[i].Body = maskTree(d.Steps[i].Body)
		d.Steps[i].Headers = maskHeaders(d.Steps[i].Headers, literals)
	}
	return d
}

// authScheme matches what is left of "$token" or "Bearer $token" without the variable.
var authScheme = regexp.MustCompile(`^([A-Za-z]+ )?$`)

// maskHeaders masks the headers whose values may be secrets. literals returns a value without
// its variables.
func maskHeaders(headers map[string]string, literals func(value string) string) map[string]string {
	masked := maps.Clone(headers)
	for name, value := range masked {
		text := literals(value)
		if sessionapi.SecretHeader(name, text) && (text == value || !authScheme.MatchString(text)) {
			masked[name] = secret.Masked
		}
	}
	return masked
}

// literals returns a text without its variables. The escape $$ is not one.
func literals(text string) string {
	return variables.ReplaceAllStringFunc(text, func(variable string) string {
		if variable == "$$" {
			return variable
		}
		return ""
	})
}

// maskText masks a text whose literals may be secrets.
func maskText(text string) string {
	if secret.MayBeSecret(literals(text)) {
		return secret.Masked
	}
	return text
}

func maskTree(t strictyaml.Tree) strictyaml.Tree {
	if masked := maskText(t.Text); masked != t.Text {
		t.Text, t.Tag = masked, "!!str"
	}
	t.Items = slices.Clone(t.Items)
	for i := range t.Items {
		t.Items[i] = maskTree(t.Items[i])
	}
	return t
}
