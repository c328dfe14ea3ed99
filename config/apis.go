package config

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
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
	d := &Definition{YAML: string(text), Headers: shape.Headers, ErrorCodes: shape.ErrorCodes}
	d.Session = l.session(key, shape)
	for _, part := range d.Session {
		if part.To == InHeader {
			d.API.SessionHeaders = append(d.API.SessionHeaders, part.As)
		}
	}
	l.checkAPIHeaders(join(key, "headers"), shape.Headers, d.API.SessionHeaders)
	l.requests(key, shape, d)
	l.checkSessionPath(key, d)
	if !shape.Body.IsZero() {
		d.Body = l.bodyType(join(key, "body"), "object body", shape.Body)
	}
	c, err := l.compiler(key, d.Body)
	if err != nil {
		return nil, err
	}
	c.answerOf(shape.Answer, d)
	c.rulesOf(shape, d)
	d.API.Auth = l.apiAuths(key, shape)
	d.API.LoginByBasic = d.Login != nil && d.Login.Send == SendBasic
	d.API.NoRoles, d.API.NoOrganizations = shape.Answer.Roles.IsZero(), shape.Answer.Organizations.IsZero()
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
			l.add(index(at, i), "must be one of: %s", JoinAuths(auths))
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

// ownHeaders are made from the other settings, or by the HTTP client.
var ownHeaders = []string{"Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Trailer", "Transfer-Encoding", "User-Agent"}

// checkAPIHeaders checks the headers that every request has. They are shown, so
// what authenticates cannot be among them.
func (l *loader) checkAPIHeaders(key string, headers map[string]string, session []string) {
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		at, value, own := join(key, name), headers[name], http.CanonicalHeaderKey(name)
		switch {
		case slices.Contains(ownHeaders, own) || own == "Authorization" || own == "Proxy-Authorization":
			l.add(at, "cannot be set here, it is made from the other settings; remove it")
		case slices.Contains(session, own):
			l.add(at, "carries the `session`, which cannot be said twice; remove it")
		case seen[own]:
			l.add(at, "stands here again, in other letters; keep one of them")
		}
		seen[own] = true
		l.checkHeaderName(at, name)
		l.checkHeaderValue(at, value)
	}
}
