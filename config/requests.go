package config

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

type requestShape struct {
	Method string `yaml:"method,omitempty"`
	Path   string `yaml:"path,omitempty"`
	Send   Send   `yaml:"send,omitempty"`
	Body   tree   `yaml:"body,omitempty"`
}

type loginShape struct {
	requestShape `yaml:",inline"`
	Options      map[string][]string `yaml:"options,omitempty"`
}

// The variables of requests.
const (
	varUsername = "username"
	varPassword = "password"
	varToken    = "token"
	varSession  = "session"
)

// requests checks the requests of an API.
func (l *loader) requests(key string, shape apiShape, d *Definition) {
	later := []string{varToken}
	if slices.ContainsFunc(d.Session, func(p SessionPart) bool { return p.To == InPath }) {
		later = append(later, varSession)
	}
	if shape.Login != nil {
		l.login(key, shape, d)
	}
	switch {
	case shape.Check.Path != "":
	case l.said(join(key, "check")):
		l.needs(join(key, "check"), "path", "needs a `path`")
	default:
		l.needs(key, "check", "needs a `check`, the request that asks who is logged in")
	}
	d.Check = l.apiRequest(join(key, "check"), shape.Check, http.MethodGet, later)
	if shape.Logout == nil {
		return
	}
	at, logout := join(key, "logout"), *shape.Logout
	if shape.Login == nil {
		l.add(at, "goes with a `login`, and there is none: what somebody else obtained is never logged out")
		return
	}
	logout.Path = cmp.Or(logout.Path, shape.Login.Path)
	request := l.apiRequest(at, logout, http.MethodDelete, later)
	d.Logout = &request
}

// checkSessionPath finds a part of the session that goes to a path and stands in none.
func (l *loader) checkSessionPath(key string, d *Definition) {
	check, logout := join(key, "check"), join(key, "logout")
	for i, part := range d.Session {
		if part.To == InPath && !d.Check.uses(varSession) && (d.Logout == nil || !d.Logout.uses(varSession)) &&
			!l.wrong[join(check, "path")] && !l.wrong[join(logout, "path")] {
			l.add(index(join(key, "session"), i), "goes to a path, and neither `check` nor `logout` has `$session` as its `path`")
		}
	}
}

func (r *Request) uses(variable string) bool {
	return r.Path.uses(variable) || (r.Body != nil && r.Body.uses(variable))
}

func (l *loader) login(key string, shape apiShape, d *Definition) {
	at, own := join(key, "login"), shape.Login
	account := []string{varUsername, varPassword}
	var options []string
	for _, option := range slices.Sorted(maps.Keys(own.Options)) {
		if slices.Contains(account, option) || !variable.MatchString(option) {
			l.add(join(join(at, "options"), option), "cannot be a variable's name; use letters, digits and underscores, and neither `username` nor `password`")
			continue
		}
		options = append(options, option)
	}
	if own.Path == "" {
		l.needs(at, "path", "needs a `path`")
	}
	if len(shape.Session) == 0 {
		l.needs(key, "session", "has a `login`, so it needs a `session`: what the login gives, and how it is presented")
	}
	request := l.apiRequest(at, own.requestShape, http.MethodPost, account, options...)
	d.Login = &request
	inBody := request.Body != nil && request.Body.uses(varPassword)
	switch {
	case l.wrong[join(at, "send")]:
	case own.Send == "":
		l.needs(at, "send", "needs a `send`, one of: basic, json, form")
	case own.Send == SendBasic && inBody:
		l.add(join(at, "body"), "has the password, and `send: basic` sends it in a header already")
	case own.Send != SendBasic && !inBody:
		l.needs(at, "body", "needs a `body` with `$password` in it")
	}
	if request.Path.uses(varPassword) {
		l.add(join(at, "path"), "has the password, and paths are logged; send it in the `body`")
	}
	for _, option := range options {
		if !l.wrong[join(at, "body")] && (request.Body == nil || !request.Body.uses(option)) {
			l.add(join(join(at, "options"), option), "is not in the `body`, as $%s; put it there, or remove it", option)
		}
	}
}

var (
	variable   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)
	methodName = regexp.MustCompile(`^[A-Z]{1,20}$`)
)

// apiRequest checks one request. known are the variables that it may have, and
// options are those of its body alone: a field can be left out, and no part of a path.
func (l *loader) apiRequest(key string, shape requestShape, method string, known []string, options ...string) Request {
	r := Request{Method: cmp.Or(shape.Method, method), Send: shape.Send}
	if !methodName.MatchString(r.Method) {
		l.add(join(key, "method"), "must be a method such as GET or POST")
	}
	r.Path = l.path(join(key, "path"), shape.Path, known)
	login := slices.Contains(known, varPassword)
	switch {
	case shape.Send == "" || shape.Send == SendJSON || shape.Send == SendForm || (login && shape.Send == SendBasic):
	case login:
		l.add(join(key, "send"), "must be one of: basic, json, form")
	default:
		l.add(join(key, "send"), "must be one of: json, form")
	}
	if shape.Body.IsZero() {
		return r
	}
	if r.Send == "" {
		r.Send = SendJSON
	}
	if at := join(key, "body"); shape.Body.kind != yaml.MappingNode {
		l.add(at, "must be a block of fields")
	} else {
		r.Body = l.value(at, shape.Body, r.Send, slices.Concat(known, options))
	}
	return r
}

func (l *loader) path(key, text string, known []string) Template {
	if text == "" {
		return nil
	}
	t, err := parseTemplate(text, known)
	_, badURL := url.Parse(strings.ReplaceAll(text, "$", ""))
	switch {
	case err != nil:
		l.add(key, "%v", err)
	case t.uses(varSession):
		if t[0].variable != varSession {
			l.add(key, "has `$session` inside; it is a whole path, and stands at the beginning")
		}
	case !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || badURL != nil || strings.ContainsAny(text, " \\#"):
		l.add(key, "must be a path that begins with /, such as /api/session; what the URL does not allow is escaped with %%")
	}
	if t.uses(varToken) {
		l.add(key, "has the token, and paths are logged; send it in the `body`")
	}
	return t
}
