package custom

import (
	"regexp"
	"slices"

	"cel.dev/cel-go/cel"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// compileAnswer compiles the expressions that interpret a response.
func (c *compiler) compileAnswer() {
	d := &c.definition.Answer
	text := []*cel.Type{cel.StringType}
	texts := []*cel.Type{cel.ListType(cel.StringType)}
	code := []*cel.Type{cel.StringType, cel.IntType, cel.DoubleType}
	clock := []*cel.Type{cel.TimestampType, cel.IntType, cel.DoubleType, cel.StringType}
	switch key := c.key.Field("answer"); {
	case !d.Username.IsZero():
	case c.IsSet(key):
		c.Require(key, "username", "needs a `username`, the user that the API reports")
	default:
		c.Require(c.key, "answer", "needs an `answer`, which describes the API's responses")
	}
	compile := func(name string, text ExpressionText, want []*cel.Type) *expression {
		return c.compileExpression(c.answerEnv, strictyaml.Key("answer").Field(name), text, want...)
	}
	c.api.answer = answer{
		authenticated: compile("authenticated", d.Authenticated, []*cel.Type{cel.BoolType}),
		username:      compile("username", d.Username, text),
		organization:  compile("organization", d.Organization, text),
		enterprise:    compile("enterprise", d.Enterprise, text),
		version:       compile("version", d.Version, text),
		roles:         compile("roles", d.Roles, texts),
		organizations: compile("organizations", d.Organizations, texts),
		errorCode:     compile("error_code", d.ErrorCode, code),
		message:       compile("message", d.Message, text),
		operationID:   compile("operation_id", d.OperationID, text),
		expiry:        compile("expiry", d.Expiry, slices.Concat(clock, listsOf(clock))),
		expiryOf:      compile("expiry_of", d.ExpiryOf, slices.Concat(text, texts)),
		serverTime:    compile("server_time", d.ServerTime, clock),
	}
	if !d.ExpiryOf.IsZero() && d.Expiry.IsZero() && !c.Invalid(c.key.Field("answer.expiry")) {
		c.Add(c.key.Field("answer.expiry_of"), "requires an `expiry`")
	}
	if c.api.answer.operationID != nil {
		c.api.spec.OperationID = "operation_id"
		if match := lastField.FindStringSubmatch(d.OperationID.text); match != nil {
			c.api.spec.OperationID = match[1]
		}
	}
}

// listsOf returns the types of lists of these types.
func listsOf(items []*cel.Type) []*cel.Type {
	lists := make([]*cel.Type, len(items))
	for i, item := range items {
		lists[i] = cel.ListType(item)
	}
	return lists
}

// lastField matches an expression that only names a field: the name is the one in the
// API's own documentation.
var lastField = regexp.MustCompile(`^[\w.?]+\.\??([a-zA-Z_]\w*)$`)

// compileRules compiles the rules, and checks the states of rules and error codes.
func (c *compiler) compileRules() {
	d, valid := c.definition, sessionapi.ResponseStates()
	all := strictyaml.Join(valid)
	words := "must be a state that a response can mean, one of: " + all
	for code, state := range d.ErrorCodes {
		if at := c.key.Field("error_codes").Field(code); state != "" && !slices.Contains(valid, state) && !c.Invalid(at) {
			c.Add(at, "%s", words)
		}
	}
	if len(d.ErrorCodes) > 0 && d.Answer.ErrorCode.IsZero() && !c.Invalid(c.key.Field("answer.error_code")) {
		c.Add(c.key.Field("error_codes"), "requires an `error_code` in `answer`")
	}
	for i, r := range d.States {
		name := strictyaml.Key("states").Item(i)
		at := c.key.Field(string(name))
		if r.When.IsZero() {
			c.Require(at, "when", "needs a `when`, an expression that is true for responses that mean this state")
		}
		switch state := at.Field("state"); {
		case c.Invalid(state):
		case r.State == "":
			c.Require(at, "state", "needs a `state`, one of: %s", all)
		case !slices.Contains(valid, r.State):
			c.Add(state, "%s", words)
		}
		c.api.rules = append(c.api.rules, rule{c.compileExpression(c.ruleEnv, name.Field("when"), r.When, cel.BoolType), r.State, r.Why})
	}
}
