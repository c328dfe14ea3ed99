package custom

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
)

// compileRequests compiles the requests of the API.
func (c *compiler) compileRequests() {
	d := c.definition
	later := []string{varToken}
	if slices.ContainsFunc(c.api.session, func(p sessionPart) bool { return p.to == inPath }) {
		later = append(later, varSession)
	}
	if d.Login != nil {
		c.compileLogin()
	}
	switch check := c.key.Field("check"); {
	case len(d.Check.Steps) > 0:
		c.rejectRequestKeys(check, d.Check.requestsDefinition)
		c.api.check = c.compileSteps("check.steps", d.Check.Steps, later)
		c.api.checkSteps, c.api.spec.CheckSteps = true, true
	case d.Check.Path != "":
	case c.IsSet(check):
		c.Require(check, "path", "needs a `path`")
	default:
		c.Require(c.key, "check", "needs a `check`, the request that returns which user is logged in")
	}
	if !c.api.checkSteps {
		c.api.check = []step{{request: c.compileRequest(c.key.Field("check"), d.Check.orMethod(http.MethodGet), later)}}
	}
	for i := range c.api.check {
		c.api.check[i].secretBody = d.Check.SecretBody
	}
	if d.Logout == nil {
		return
	}
	at, logout := c.key.Field("logout"), *d.Logout
	if d.Login == nil {
		c.Add(at, "requires a `login`: an external token is never logged out")
		return
	}
	if logout.Path = cmp.Or(logout.Path, d.Login.Path); logout.Path == "" && len(d.Login.Steps) > 0 {
		c.Require(at, "path", "needs a `path`, because the login has several paths")
	}
	c.api.logout = []step{{request: c.compileRequest(at, logout.orMethod(http.MethodDelete), later), success: logout.Success}}
	c.checkSuccess(at, logout.Success)
}

// checkSessionPath reports a part of the session that goes to a path, if neither the check
// nor the logout contains it.
func (c *compiler) checkSessionPath() {
	usesSession := func(s step) bool { return s.uses(varSession) }
	if slices.ContainsFunc(slices.Concat(c.api.check, c.api.logout), usesSession) || c.Invalid(c.key.Field("check.path")) || c.Invalid(c.key.Field("logout.path")) {
		return
	}
	for i, part := range c.api.session {
		if part.to == inPath {
			c.Add(c.key.Field("session").Item(i), "goes to a path, but neither `check` nor `logout` has `$session` as its `path`")
		}
	}
}

func (r *request) uses(variable string) bool {
	return r.path.uses(variable) || (r.body != nil && r.body.uses(variable))
}

func (c *compiler) compileLogin() {
	at, login := c.key.Field("login"), c.definition.Login
	account := []string{varUsername, varPassword}
	var options []string
	for _, option := range slices.Sorted(maps.Keys(login.Options)) {
		if slices.Contains(account, option) || !variable.MatchString(option) {
			c.Add(at.Field("options").Field(option), "cannot be a variable's name; use letters, digits and underscores, and neither `username` nor `password`")
			continue
		}
		options = append(options, option)
	}
	if len(c.definition.Session) == 0 {
		c.Require(c.key, "session", "has a `login`, so it needs a `session`: what the login returns, and how it is presented")
	}
	if len(login.Steps) > 0 {
		c.rejectRequestKeys(at, login.requestsDefinition)
		c.compileLoginSteps(at, account, options)
		return
	}
	if login.Path == "" {
		c.Require(at, "path", "needs a `path`")
	}
	compiled := c.compileRequest(at, login.orMethod(http.MethodPost), account, options...)
	c.api.login = []step{{request: compiled}}
	passwordInBody := compiled.body != nil && compiled.body.uses(varPassword)
	switch {
	case c.Invalid(at.Field("send")):
	case login.Send == "":
		c.Require(at, "send", "needs a `send`, one of: basic, json, form")
	case login.Send == sendBasic && passwordInBody:
		c.Add(at.Field("body"), "has the password, which `send: basic` already sends in a header")
	case login.Send != sendBasic && !passwordInBody:
		c.Require(at, "body", "needs a `body` with `$password` in it")
	}
	if compiled.path.uses(varPassword) {
		c.Add(at.Field("path"), "has the password, but paths are logged; send it in the `body`")
	}
	for _, option := range options {
		if !c.Invalid(at.Field("body")) && (compiled.body == nil || !compiled.body.uses(option)) {
			c.Add(at.Field("options").Field(option), "is not a variable in the `body`; put it there, or remove it")
		}
	}
}

var (
	variable   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)
	methodName = regexp.MustCompile(`^[A-Z]{1,20}$`)
)

// orMethod returns the definition with this method, unless it has one.
func (d requestDefinition) orMethod(method string) requestDefinition {
	d.Method = cmp.Or(d.Method, method)
	return d
}

// compileRequest compiles one request. known are the variables that it may have. options are
// further variables of its body: a field can be omitted, a part of a path cannot.
func (c *compiler) compileRequest(key strictyaml.Key, d requestDefinition, known []string, options ...string) request {
	compiled := request{method: d.Method, send: d.Send}
	if !methodName.MatchString(compiled.method) {
		c.Add(key.Field("method"), "must be a method such as GET or POST")
	}
	compiled.path = c.compilePath(key.Field("path"), d.Path, known)
	login := slices.Contains(known, varPassword)
	switch {
	case d.Send == "" || d.Send == sendJSON || d.Send == sendForm || (login && d.Send == sendBasic):
	case login:
		c.Add(key.Field("send"), "must be one of: basic, json, form")
	default:
		c.Add(key.Field("send"), "must be one of: json, form")
	}
	if d.Body.IsZero() {
		return compiled
	}
	if compiled.send == "" {
		compiled.send = sendJSON
	}
	if at := key.Field("body"); d.Body.Kind != yaml.MappingNode {
		c.Add(at, "must be a block of fields")
	} else {
		compiled.body = c.compileValue(at, d.Body, compiled.send, slices.Concat(known, options))
	}
	return compiled
}

func (c *compiler) compilePath(key strictyaml.Key, text string, known []string) template {
	if text == "" {
		return nil
	}
	t, err := parseTemplate(text, known)
	_, badURL := url.Parse(strings.ReplaceAll(text, "$", ""))
	switch {
	case err != nil:
		c.Add(key, "%v", err)
	case len(t) > 0 && slices.Contains(c.kept, t[0].variable): // a link
	case t.uses(varSession):
		if t[0].variable != varSession {
			c.Add(key, "has `$session` in the middle; it is a whole path, so it must come first")
		}
	case !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || badURL != nil || strings.ContainsAny(text, " \\#"):
		c.Add(key, "must be a path that starts with /, such as /api/session, with other characters escaped as in %%20")
	}
	if t.uses(varToken) {
		c.Add(key, "has the token, but paths are logged; send it in the `body`")
	}
	return t
}

// compileValue compiles a value of a body.
func (c *compiler) compileValue(key strictyaml.Key, t strictyaml.Tree, by send, known []string) *value {
	v := &value{kind: t.Kind, fields: t.Keys}
	var err error
	switch {
	case t.Kind == yaml.ScalarNode && (t.Tag == "!!str" || t.Tag == "!!timestamp" || by == sendForm): // JSON has no dates
		v.text, err = parseTemplate(t.Text, known)
	case t.Kind == yaml.ScalarNode && t.Tag == "!!null":
		v.raw = "null"
	case t.Kind == yaml.ScalarNode:
		// Kept as it is written: decoded, a long number would lose digits, and 0123 would become 83.
		if v.raw = strings.ToLower(t.Text); !json.Valid([]byte(v.raw)) {
			err = errors.New("is not valid JSON; put quotes around it, or write a plain number, true or false")
		}
	}
	if err != nil {
		c.AddAt(t.Line, key, "%v", err)
	}
	for i, item := range t.Items {
		if t.Kind == yaml.MappingNode && item.Tag == "!!null" && strings.Contains(t.Keys[i], ":") {
			c.AddAt(item.Line, key, "has a field without a value; is a space missing after a colon?") // the field may contain a secret
			continue
		}
		if by == sendForm && item.Kind != yaml.ScalarNode {
			c.AddAt(item.Line, key, "has a block or a list inside, which a form cannot carry; use text")
			continue
		}
		v.items = append(v.items, *c.compileValue(key, item, by, known))
	}
	return v
}
