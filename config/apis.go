package config

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"
)

// apiShape is a session API as the file describes it.
type apiShape struct {
	Auth       []Auth             `yaml:"auth,omitempty"`
	Headers    map[string]string  `yaml:"headers,omitempty"`
	Login      *loginShape        `yaml:"login,omitempty"`
	Session    []sessionPartShape `yaml:"session,omitempty"`
	Check      requestShape       `yaml:"check,omitempty"`
	Logout     *requestShape      `yaml:"logout,omitempty"`
	Body       tree               `yaml:"body,omitempty"`
	ErrorCodes map[string]string  `yaml:"error_codes,omitempty"`
	Answer     answerShape        `yaml:"answer,omitempty"`
	States     []ruleShape        `yaml:"states,omitempty"`
}

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

type sessionPartShape struct {
	From   Place  `yaml:"from,omitempty"`
	Name   string `yaml:"name,omitempty"`
	To     Place  `yaml:"to,omitempty"`
	As     string `yaml:"as,omitempty"`
	Prefix string `yaml:"prefix,omitempty"`
}

type answerShape struct {
	Authenticated expressionText `yaml:"authenticated,omitempty"`
	Username      expressionText `yaml:"username,omitempty"`
	Organization  expressionText `yaml:"organization,omitempty"`
	Enterprise    expressionText `yaml:"enterprise,omitempty"`
	Version       expressionText `yaml:"version,omitempty"`
	Roles         expressionText `yaml:"roles,omitempty"`
	Organizations expressionText `yaml:"organizations,omitempty"`
	ErrorCode     expressionText `yaml:"error_code,omitempty"`
	Message       expressionText `yaml:"message,omitempty"`
	OperationID   expressionText `yaml:"operation_id,omitempty"`
	Expiry        expressionText `yaml:"expiry,omitempty"`
	ServerTime    expressionText `yaml:"server_time,omitempty"`
}

type ruleShape struct {
	When  expressionText `yaml:"when,omitempty"`
	State string         `yaml:"state,omitempty"`
	Why   string         `yaml:"why,omitempty"`
}

// settleAPIs checks the APIs that the file describes, and adds them to those
// that there are. One of a built-in API's name takes its place, so that an API
// which a later version brings along breaks no file that describes it already.
func (l *loader) settleAPIs() error {
	l.definitions = make(map[string]*Definition, len(l.shape.APIs))
	l.apis = maps.Clone(l.apis)
	for name, shape := range l.shape.APIs {
		definition, err := l.definition(name, shape)
		if err != nil {
			return err
		}
		l.definitions[name] = definition
		l.apis[name] = definition.API
	}
	return nil
}

func (l *loader) definition(name string, shape apiShape) (*Definition, error) {
	key := join("apis", name)
	text, err := yaml.Marshal(shape)
	if err != nil {
		return nil, err
	}
	d := &Definition{Name: name, YAML: string(text), Headers: shape.Headers, ErrorCodes: shape.ErrorCodes}
	l.checkAPIHeaders(join(key, "headers"), shape.Headers)
	d.Session = l.session(key, shape)
	l.requests(key, shape, d)
	if !shape.Body.IsZero() {
		d.Body = l.bodyType(join(key, "body"), "object body", shape.Body)
	}
	c, err := l.compiler(key, d.Body)
	if err != nil {
		return nil, err
	}
	c.answerOf(shape.Answer, d)
	c.rulesOf(shape, d)
	d.API = API{
		Auth:            l.apiAuths(key, shape),
		LoginByBasic:    d.Login != nil && d.Login.Send == SendBasic,
		NoRoles:         shape.Answer.Roles.IsZero(),
		NoOrganizations: shape.Answer.Organizations.IsZero(),
	}
	if shape.Login != nil {
		d.API.LoginOptions = shape.Login.Options
	}
	return d, nil
}

// apiAuths returns the ways in that an API has: those that it says, else those
// that follow from what it has.
func (l *loader) apiAuths(key string, shape apiShape) []Auth {
	at := join(key, "auth")
	var follows []Auth
	if shape.Login != nil {
		follows = append(follows, AuthLogin)
	}
	// Who only has a token does not know the path that the login gave.
	pathOfLogin := strings.HasPrefix(shape.Check.Path, "$"+varSession)
	if len(shape.Session) > 0 && !pathOfLogin {
		follows = append(follows, AuthToken)
	}
	if len(shape.Auth) == 0 {
		if len(follows) == 0 && !l.wrong[at] && !l.wrong[key] {
			l.needs(key, "auth", "needs a `login` with a `session`, a `session`, or `auth: [basic]` or `auth: [bearer]`")
			return auths // nothing more is to be found wrong with it
		}
		return follows
	}
	for i, auth := range shape.Auth {
		switch {
		case !slices.Contains(auths, auth):
			l.add(index(at, i), "must be one of: %s", joinAuths(auths))
		case auth == AuthLogin && shape.Login == nil:
			l.add(index(at, i), "goes with a `login`, and there is none")
		case auth != AuthLogin && pathOfLogin:
			l.add(index(at, i), "cannot be: the path of `check` comes from a login")
		case auth == AuthToken && len(shape.Session) == 0:
			l.add(index(at, i), "goes with a `session`, which says how a token is presented, and there is none")
		}
	}
	return shape.Auth
}

// checkAPIHeaders checks the headers that every request has. They are shown, so
// what authenticates cannot be among them.
func (l *loader) checkAPIHeaders(key string, headers map[string]string) {
	for name, value := range headers {
		at := join(key, name)
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "User-Agent", "Proxy-Authorization":
			l.add(at, "cannot be set here, it is made from the other settings; remove it")
		}
		l.checkHeaderName(at, name)
		if !httpguts.ValidHeaderFieldValue(value) {
			l.add(at, "has a line break or another character that no HTTP header can carry")
		}
	}
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

func (l *loader) login(key string, shape apiShape, d *Definition) {
	at, own := join(key, "login"), shape.Login
	known := []string{varUsername, varPassword}
	for _, option := range slices.Sorted(maps.Keys(own.Options)) {
		if slices.Contains(known, option) || !variable.MatchString(option) {
			l.add(join(join(at, "options"), option), "cannot be a variable's name; use letters, digits and underscores, and neither `username` nor `password`")
			continue
		}
		known = append(known, option)
	}
	if own.Path == "" {
		l.needs(at, "path", "needs a `path`")
	}
	if len(shape.Session) == 0 {
		l.needs(key, "session", "has a `login`, so it needs a `session`: what the login gives, and how it is presented")
	}
	request := l.apiRequest(at, own.requestShape, http.MethodPost, known)
	d.Login = &request
	switch send := join(at, "send"); {
	case l.wrong[send]:
	case own.Send == "":
		l.needs(at, "send", "needs a `send`, one of: basic, json, form")
	case request.Send == SendBasic && request.Body != nil && request.Body.uses(varPassword):
		l.add(join(at, "body"), "has the password, and `send: basic` sends it in a header already")
	case request.Send != SendBasic && (request.Body == nil || !request.Body.uses(varPassword)) && !l.wrong[join(at, "body")]:
		l.needs(at, "body", "needs a `body` with `$password` in it")
	}
	if request.Path.uses(varPassword) {
		l.add(join(at, "path"), "has the password, and paths are logged; send it in the `body`")
	}
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// apiRequest checks one request. known are the variables that it may have.
func (l *loader) apiRequest(key string, shape requestShape, method string, known []string) Request {
	r := Request{Method: cmp.Or(shape.Method, method), Send: shape.Send}
	if !regexp.MustCompile(`^[A-Z]{1,20}$`).MatchString(r.Method) {
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
		r.Body = l.value(at, shape.Body, r.Send, known)
	}
	return r
}

func (l *loader) path(key, text string, known []string) Template {
	if text == "" {
		return nil
	}
	t, err := parseTemplate(text, known)
	u, badURL := url.Parse(strings.ReplaceAll(text, "$", ""))
	switch {
	case err != nil:
		l.add(key, "%v", err)
	case t.uses(varSession):
		if t[0].variable != varSession {
			l.add(key, "has `$session` inside; it is a whole path, and stands at the beginning")
		}
	case !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || badURL != nil || u.Fragment != "" || strings.ContainsAny(text, " \\"):
		l.add(key, "must be a path that begins with /, such as /api/session; what the URL does not allow is escaped with %%")
	}
	if t.uses(varToken) {
		l.add(key, "has the token, and paths are logged; send it in the `body`")
	}
	return t
}

// session checks the parts of a session.
func (l *loader) session(key string, shape apiShape) []SessionPart {
	parts := make([]SessionPart, 0, len(shape.Session))
	for i, own := range shape.Session {
		at := index(join(key, "session"), i)
		part := SessionPart{From: own.From, Name: own.Name, To: own.To, As: cmp.Or(own.As, own.Name), Prefix: own.Prefix}
		l.partFrom(at, own, &part)
		l.partTo(at, own, &part)
		for _, earlier := range parts {
			if earlier.To == part.To && (part.To == InPath || strings.EqualFold(earlier.As, part.As)) {
				l.add(at, "goes where another part of the session goes already")
			}
		}
		parts = append(parts, part)
	}
	return parts
}

func (l *loader) partFrom(at string, own sessionPartShape, part *SessionPart) {
	switch own.From {
	case InHeader, InCookie:
		if own.Name == "" {
			l.needs(at, "name", "needs a `name`: of the %s that has the session", own.From)
		}
	case InBody:
		if own.Name != "" {
			part.Path = strings.Split(own.Name, ".")
		}
		if own.To == "" {
			l.needs(at, "to", "needs a `to`: header, cookie or path")
		}
	case "":
		l.needs(at, "from", "needs a `from`, one of: header, cookie, body")
	default:
		l.add(join(at, "from"), "must be one of: header, cookie, body")
	}
}

func (l *loader) partTo(at string, own sessionPartShape, part *SessionPart) {
	switch part.To {
	case "":
		part.To = own.From
	case InHeader, InCookie, InPath:
		if own.To != InPath && own.To != own.From && own.As == "" {
			l.needs(at, "as", "needs an `as`: the name of the %s that presents it", own.To)
		}
	default:
		l.add(join(at, "to"), "must be one of: header, cookie, path")
	}
	name := join(at, "as")
	if own.As == "" {
		name = join(at, "name")
	}
	switch {
	case l.wrong[name] || part.As == "":
	case part.To == InHeader:
		l.checkHeaderName(name, part.As)
		if canonical := http.CanonicalHeaderKey(part.As); slices.Contains([]string{"Host", "Cookie", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "User-Agent"}, canonical) {
			l.add(name, "cannot carry a session; name another header")
		} else {
			part.As = canonical
		}
	case part.To == InCookie && !httpguts.ValidHeaderFieldName(part.As):
		l.add(name, "not a cookie's name; use letters, digits and dashes")
	}
	if own.Prefix != "" && part.To != InHeader {
		l.add(join(at, "prefix"), "goes with `to: header`")
	} else if !httpguts.ValidHeaderFieldValue(own.Prefix) {
		l.add(join(at, "prefix"), "has a line break or another character that no HTTP header can carry")
	}
}

// answerOf compiles what an answer says.
func (c *compiler) answerOf(shape answerShape, d *Definition) {
	text := []*cel.Type{cel.StringType}
	texts := []*cel.Type{cel.ListType(cel.StringType)}
	code := []*cel.Type{cel.StringType, cel.IntType, cel.DoubleType}
	clock := []*cel.Type{cel.TimestampType, cel.IntType, cel.DoubleType}
	switch key := join(c.api, "answer"); {
	case !shape.Username.IsZero():
	case c.said(key):
		c.needs(key, "username", "needs a `username`, who the API says is logged in")
	default:
		c.needs(c.api, "answer", "needs an `answer`, what the API's answers say")
	}
	compile := func(name string, text expressionText, want []*cel.Type) *Expression {
		return c.compile(c.answer, join("answer", name), text, want...)
	}
	d.Answer = Answer{
		Authenticated: compile("authenticated", shape.Authenticated, []*cel.Type{cel.BoolType}),
		Username:      compile("username", shape.Username, text),
		Organization:  compile("organization", shape.Organization, text),
		Enterprise:    compile("enterprise", shape.Enterprise, text),
		Version:       compile("version", shape.Version, text),
		Roles:         compile("roles", shape.Roles, texts),
		Organizations: compile("organizations", shape.Organizations, texts),
		ErrorCode:     compile("error_code", shape.ErrorCode, code),
		Message:       compile("message", shape.Message, text),
		OperationID:   compile("operation_id", shape.OperationID, text),
		Expiry:        compile("expiry", shape.Expiry, clock),
		ServerTime:    compile("server_time", shape.ServerTime, clock),
	}
	if d.Answer.OperationID != nil {
		d.OperationID = "operation_id"
		if match := lastField.FindStringSubmatch(shape.OperationID.text); match != nil {
			d.OperationID = match[1]
		}
	}
}

// lastField matches an expression that does no more than name a field, by which
// an API's own documentation calls what is in it.
var lastField = regexp.MustCompile(`^[\w.?]+\.\??([a-zA-Z_]\w*)$`)

// rulesOf compiles the rules, and checks the states that they and the error
// codes mean.
func (c *compiler) rulesOf(shape apiShape, d *Definition) {
	all := strings.Join(AnswerStates, ", ")
	words := "must be a state that an answer can mean, one of: " + all
	for code, state := range shape.ErrorCodes {
		if at := join(join(c.api, "error_codes"), code); state != "" && !slices.Contains(AnswerStates, state) && !c.wrong[at] {
			c.add(at, "%s", words)
		}
	}
	if len(shape.ErrorCodes) > 0 && shape.Answer.ErrorCode.IsZero() && !c.wrong[join(c.api, "answer.error_code")] {
		c.add(join(c.api, "error_codes"), "goes with an `error_code` in `answer`, and there is none")
	}
	for i, own := range shape.States {
		name := index("states", i)
		at := join(c.api, name)
		if own.When.IsZero() {
			c.needs(at, "when", "needs a `when`, an expression that holds for the answers that mean this state")
		}
		switch state := join(at, "state"); {
		case c.wrong[state]:
		case own.State == "":
			c.needs(at, "state", "needs a `state`, one of: %s", all)
		case !slices.Contains(AnswerStates, own.State):
			c.add(state, "%s", words)
		}
		d.Rules = append(d.Rules, Rule{c.compile(c.rules, join(name, "when"), own.When, cel.BoolType), own.State, own.Why})
	}
}
