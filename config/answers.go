package config

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

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
