package custom

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// Compile checks a definition and compiles its expressions. It adds the definition's
// problems to problems, at keys below key. lines are those of the whole file. The API is
// usable only if there is no problem. The error is about this program, not about the
// definition.
func Compile(d *Definition, key strictyaml.Key, lines []string, problems *strictyaml.Collector) (*API, error) {
	text, err := yaml.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding a definition: %w", err)
	}
	c := &compiler{
		Collector: problems, key: key, lines: lines, definition: d, objects: make(map[string]*bodyType),
		api: &API{yaml: string(text), headers: d.Headers, errorCodes: d.ErrorCodes},
	}
	if !d.Body.IsZero() {
		c.api.body = c.compileBody(key.Field("body"), "object body", d.Body)
	}
	if err := c.prepareExpressions(); err != nil {
		return nil, fmt.Errorf("preparing to read expressions: %w", err)
	}
	c.compileSession()
	c.checkHeaders()
	c.compileRequests()
	c.checkSessionPath()
	c.api.keepsCookies = d.Cookies == keepCookies
	if d.Cookies != "" && !c.api.keepsCookies {
		c.Add(key.Field("cookies"), "must be keep; without it, only the cookies of the `session` are kept")
	}
	c.compileAnswer()
	c.compileRules()
	spec := &c.api.spec
	spec.Auth = c.auths()
	spec.LoginByBasic = slices.ContainsFunc(c.api.login, func(s step) bool { return s.send == sendBasic })
	spec.NoRoles, spec.NoOrganizations = d.Answer.Roles.IsZero(), d.Answer.Organizations.IsZero()
	spec.Codes = slices.Sorted(maps.Keys(d.ErrorCodes))
	if d.Login != nil {
		spec.LoginOptions = d.Login.Options
	}
	return c.api, nil
}

// compiler compiles one definition.
type compiler struct {
	*strictyaml.Collector
	key        strictyaml.Key // of the definition
	lines      []string       // of the file
	definition *Definition
	api        *API

	kept      []string // the variables that steps keep
	answerEnv *cel.Env
	ruleEnv   *cel.Env // also has the error code and the username
	keptEnv   *cel.Env // also has the cookies
	objects   map[string]*bodyType
}

const bodyWords = "text, number, bool, any, a list such as [text], or a block of fields and their types"

// compileBody compiles `body`, or a part of it. An object is named for its place. The name
// has a space in it, so that no identifier in an expression refers to the type.
func (c *compiler) compileBody(key strictyaml.Key, name string, t strictyaml.Tree) *bodyType {
	compiled := &bodyType{name: name}
	switch {
	case t.Kind == yaml.ScalarNode && jsonKinds[t.Text].cel != nil:
		compiled.kind = t.Text
	case t.Kind == yaml.SequenceNode && len(t.Items) == 1:
		compiled.list = c.compileBody(key, name, t.Items[0])
	case t.Kind == yaml.MappingNode:
		compiled.order = t.Keys
		compiled.fields = make(map[string]*bodyType, len(t.Keys))
		for i, field := range t.Keys {
			c.Hide(key, field, t.Items[i].Tag == "!!null")
			compiled.fields[field] = c.compileBody(key.Field(field), name+"."+field, t.Items[i])
		}
	default:
		c.AddAt(t.Line, key, "must be one of: "+bodyWords)
		compiled.kind = "any" // no further errors
	}
	return compiled
}

// auths returns the ways to authenticate that the definition lists or, without a list,
// those that follow from its other keys.
func (c *compiler) auths() []sessionapi.Auth {
	d, at := c.definition, c.key.Field("auth")
	var follows []sessionapi.Auth
	if d.Login != nil {
		follows = append(follows, sessionapi.AuthLogin)
	}
	// A token alone does not include the path that the login returns.
	pathOfLogin := slices.ContainsFunc(c.api.check, func(s step) bool { return s.path.uses(varSession) })
	if len(d.Session) > 0 && !pathOfLogin {
		follows = append(follows, sessionapi.AuthToken)
	}
	if len(d.Auth) == 0 {
		if len(follows) == 0 && !c.Invalid(at) && !c.Invalid(c.key) {
			c.Require(c.key, "auth", "needs a way to authenticate: a `session`, a `login` with a `session`, `auth: [basic]` or `auth: [bearer]`")
			return sessionapi.Auths() // no further errors
		}
		return follows
	}
	for i, auth := range d.Auth {
		switch {
		case !slices.Contains(sessionapi.Auths(), auth):
			c.Add(at.Item(i), "must be one of: %s", strictyaml.Join(sessionapi.Auths()))
		case auth == sessionapi.AuthLogin && d.Login == nil:
			c.Add(at.Item(i), "requires a `login`")
		case auth != sessionapi.AuthLogin && pathOfLogin:
			c.Add(at.Item(i), "is not possible, because the path of `check` comes from a login")
		case auth == sessionapi.AuthToken && len(d.Session) == 0:
			c.Add(at.Item(i), "requires a `session`, which defines how a token is presented")
		}
	}
	return d.Auth
}

// checkHeaders checks the headers of every request. They are not masked everywhere, so they
// must not authenticate.
func (c *compiler) checkHeaders() {
	headers := c.definition.Headers
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		at, canonical := c.key.Field("headers").Field(name), http.CanonicalHeaderKey(name)
		switch {
		case sessionapi.IsReservedHeader(name) || canonical == "Authorization" || canonical == "Proxy-Authorization":
			c.Add(at, "is set from other settings; remove it")
		case slices.Contains(c.api.spec.SessionHeaders, canonical):
			c.Add(at, "carries the `session`, which cannot be set twice; remove it")
		case seen[canonical]:
			c.Add(at, "differs from another header only in case; keep one of them")
		}
		seen[canonical] = true
		c.AddProblem(at, sessionapi.HeaderNameProblem(name))
		c.AddProblem(at, sessionapi.HeaderValueProblem(headers[name]))
	}
}
