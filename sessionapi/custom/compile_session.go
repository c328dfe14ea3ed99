package custom

import (
	"cmp"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// compileSession compiles the parts of a session.
func (c *compiler) compileSession() {
	key, optional := c.key.Field("session"), 0
	for i, d := range c.definition.Session {
		at := key.Item(i)
		part := sessionPart{
			sources:  []source{c.compileSource(at, d.sourceDefinition)},
			to:       d.To,
			as:       cmp.Or(d.As, d.Name),
			prefix:   d.Prefix,
			optional: d.Optional,
		}
		for i, other := range d.Or {
			part.sources = append(part.sources, c.compileSource(at.Field("or").Item(i), other))
		}
		if d.From == inBody && d.To == "" {
			c.Require(at, "to", "needs a `to`: header, cookie or path")
		}
		c.compilePlace(at, d, &part)
		for _, earlier := range c.api.session {
			if earlier.to == part.to && (part.to == inPath || strings.EqualFold(earlier.as, part.as)) {
				c.Add(at, "has the same destination as another part of the session")
			}
		}
		if part.optional {
			optional++
		}
		c.api.session = append(c.api.session, part)
		if part.to == inHeader {
			c.api.spec.SessionHeaders = append(c.api.spec.SessionHeaders, part.as)
		}
	}
	if optional > 0 && optional == len(c.api.session) {
		c.Add(key, "has only optional parts; at least one must not be optional")
	}
}

// compileSource compiles a place in a login's response that may have a part.
func (c *compiler) compileSource(at strictyaml.Key, d sourceDefinition) source {
	compiled := source{from: d.From, name: d.Name}
	switch d.From {
	case inHeader, inCookie:
		if d.Name == "" {
			c.Require(at, "name", "needs a `name`, that of the %s with the session", d.From)
		}
	case inBody:
		path, ok := fieldPath(d.Name)
		if !ok {
			c.Add(at.Field("name"), "is not the path of a field; write it as in data.token, and put a name with dots or brackets into brackets and quotes, as in [\"@odata.id\"]")
		}
		compiled.path = path
	case "":
		c.Require(at, "from", "needs a `from`, one of: header, cookie, body")
	default:
		c.Add(at.Field("from"), "must be one of: header, cookie, body")
	}
	return compiled
}

// fieldPath splits the path of a field of a body: names with dots between them, or
// in brackets and quotes, as in `links["@odata.id"]`. It returns none for the
// whole body, which has no name.
func fieldPath(text string) (path []string, ok bool) {
	for rest := text; rest != ""; {
		var name string
		if inner, bracketed := strings.CutPrefix(rest, "["); bracketed {
			if inner == "" || inner[0] != '"' && inner[0] != '\'' {
				return nil, false
			}
			name, rest, ok = strings.Cut(inner[1:], inner[:1]+"]")
			if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
				return nil, false
			}
		} else {
			end := strings.IndexAny(rest+".", ".[")
			name, rest = rest[:end], rest[end:]
			if strings.Contains(name, "]") {
				return nil, false
			}
		}
		if name == "" {
			return nil, false
		}
		path = append(path, name)
		if after, dotted := strings.CutPrefix(rest, "."); dotted {
			if after == "" || after[0] == '[' {
				return nil, false
			}
			rest = after
		}
	}
	return path, true
}

// compilePlace compiles the place that presents a part.
func (c *compiler) compilePlace(at strictyaml.Key, d partDefinition, part *sessionPart) {
	switch part.to {
	case "":
		part.to = d.From
	case inHeader, inCookie, inPath:
		if d.To != inPath && d.To != d.From && d.As == "" {
			c.Require(at, "as", "needs an `as`: the name of the %s that presents it", d.To)
		}
	default:
		c.Add(at.Field("to"), "must be one of: header, cookie, path")
	}
	c.compileName(at, d, part)
	if d.As != "" && part.to == inPath {
		c.Add(at.Field("as"), "requires `to: header` or `to: cookie`")
	}
	if d.Optional && part.to == inPath {
		c.Add(at.Field("optional"), "conflicts with `to: path`, which requires this part")
	}
	if d.Prefix != "" && part.to != inHeader {
		c.Add(at.Field("prefix"), "requires `to: header`")
	} else {
		c.AddProblem(at.Field("prefix"), sessionapi.HeaderValueProblem(d.Prefix))
	}
}

// compileName compiles the name of the header or cookie that presents a part.
func (c *compiler) compileName(at strictyaml.Key, d partDefinition, part *sessionPart) {
	name := at.Field("as")
	if d.As == "" {
		name = at.Field("name")
	}
	switch {
	case c.Invalid(name) || part.as == "":
	case part.to == inHeader:
		c.AddProblem(name, sessionapi.HeaderNameProblem(part.as))
		if sessionapi.IsReservedHeader(part.as) {
			c.Add(name, "cannot carry a session; name another header")
		} else {
			part.as = http.CanonicalHeaderKey(part.as)
		}
	case part.to == inCookie && !httpguts.ValidHeaderFieldName(part.as):
		c.Add(name, "invalid cookie name; use letters, digits and dashes")
	}
}
