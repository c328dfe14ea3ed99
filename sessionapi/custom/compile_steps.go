package custom

import (
	"maps"
	"net/http"
	"slices"

	"cel.dev/cel-go/cel"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// The limits of a login or a check. Each request takes a part of the probe's timeout.
const (
	maxSteps = 8
	maxKept  = 16 // values
)

// varOrigin is the endpoint's scheme, host and port, which some servers require in a Referer
// or Origin header.
const varOrigin = "origin"

// rejectRequestKeys reports the keys of a single request that are set next to `steps`.
func (c *compiler) rejectRequestKeys(at strictyaml.Key, d requestsDefinition) {
	for name, isSet := range map[string]bool{"method": d.Method != "", "path": d.Path != "", "send": d.Send != "", "body": !d.Body.IsZero()} {
		if isSet {
			c.Add(at.Field(name), "conflicts with `steps`; put it into one of them")
		}
	}
}

// compileLoginSteps compiles a login of several requests. account and options are the
// variables that stand for the account and its login options.
func (c *compiler) compileLoginSteps(at strictyaml.Key, account, options []string) {
	key := at.Field("steps")
	c.api.login, c.api.loginSteps = c.compileSteps("login.steps", c.definition.Login.Steps, account, options...), true
	used := make(map[string]bool)
	for i := range c.api.login {
		s, field := &c.api.login[i], key.Item(i)
		inBody := s.body != nil && s.body.uses(varPassword)
		if s.path.uses(varPassword) {
			c.Add(field.Field("path"), "has the password, but paths are logged; send it in the `body`")
		}
		if inBody && s.send == sendBasic {
			c.Add(field.Field("body"), "has the password, which `send: basic` already sends in a header")
		}
		for _, option := range options {
			used[option] = used[option] || s.body != nil && s.body.uses(option)
		}
	}
	if !slices.ContainsFunc(c.api.login, func(s step) bool { return s.carriesSecret() }) {
		c.Require(at, "steps", "needs a step with the password: `send: basic`, or a `body` with `$password` in it")
	}
	for _, option := range options {
		if !used[option] {
			c.Add(at.Field("options").Field(option), "is not a variable in the `body` of a step; put it there, or remove it")
		}
	}
}

// carriesSecret reports whether a step of a login sends the password.
func (s *step) carriesSecret() bool {
	return s.send == sendBasic || s.body != nil && s.body.uses(varPassword)
}

// compileSteps compiles several requests. name is their key in the definition, known are the
// variables that each may have, and options are those of bodies alone.
func (c *compiler) compileSteps(name strictyaml.Key, all []stepDefinition, known []string, options ...string) []step {
	key := c.key.Field(string(name))
	if len(all) > maxSteps {
		c.Add(key.Item(maxSteps), "exceeds the limit of %d steps", maxSteps)
	}
	compiled := make([]step, 0, len(all))
	var kept []string
	for i, d := range all {
		at, method := key.Item(i), http.MethodGet
		if d.Send != "" || !d.Body.IsZero() {
			method = http.MethodPost
		}
		if d.Path == "" {
			c.Require(at, "path", "needs a `path`")
		}
		c.kept = kept
		s := step{request: c.compileRequest(at, d.orMethod(method), slices.Concat(known, kept), options...), success: d.Success}
		c.kept = nil
		s.headers = c.compileStepHeaders(at.Field("headers"), d, kept)
		c.checkSuccess(at, d.Success)
		for _, own := range slices.Sorted(maps.Keys(d.Keep)) {
			field := at.Field("keep").Field(own)
			switch taken := slices.Concat(kept, options, []string{varUsername, varPassword, varToken, varSession, varOrigin}); {
			case !variable.MatchString(own):
				c.Add(field, "cannot be a variable's name; use letters, digits and underscores")
			case slices.Contains(taken, own):
				c.Add(field, "is the name of another variable; use a name of its own")
			default:
				kept = append(kept, own)
			}
			if d.Keep[own].IsZero() {
				c.Require(field, "", "needs an expression, such as body.csrf or headers[\"x-csrf\"]")
			}
			value := c.compileExpression(c.keptEnv, name.Item(i).Field("keep").Field(own), d.Keep[own], cel.StringType, cel.IntType, cel.DoubleType)
			s.keep = append(s.keep, keptValue{own, value})
		}
		compiled = append(compiled, s)
	}
	if len(kept) > maxKept {
		c.Add(key, "keeps %d values, which exceeds the limit of %d", len(kept), maxKept)
	}
	return compiled
}

// checkSuccess checks the statuses that mean success.
func (c *compiler) checkSuccess(at strictyaml.Key, statuses []int) {
	for i, status := range statuses {
		if status < 200 || status > 399 {
			c.Add(at.Field("success").Item(i), "must be a status from 200 to 399; any other status is a failure")
		}
	}
}

// compileStepHeaders compiles the headers of one step, which may have kept values.
func (c *compiler) compileStepHeaders(key strictyaml.Key, d stepDefinition, kept []string) map[string]template {
	if len(d.Headers) == 0 {
		return nil
	}
	compiled := make(map[string]template, len(d.Headers))
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		at, canonical := key.Field(name), http.CanonicalHeaderKey(name)
		switch {
		case sessionapi.IsReservedHeader(name) || canonical == "Proxy-Authorization" || canonical == "Authorization" && d.Send == sendBasic:
			c.Add(at, "is set from other settings; remove it")
		case compiled[canonical] != nil:
			c.Add(at, "differs from another header only in case; keep one of them")
		}
		c.AddProblem(at, sessionapi.HeaderNameProblem(name))
		c.AddProblem(at, sessionapi.HeaderValueProblem(d.Headers[name]))
		t, err := parseTemplate(d.Headers[name], slices.Concat(kept, []string{varOrigin}))
		if err != nil {
			c.Add(at, "%v", err)
		}
		compiled[canonical] = t
	}
	return compiled
}
