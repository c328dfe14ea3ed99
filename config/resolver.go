package config

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/model"

	"session_exporter/internal/boundedfile"
	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/custom"
)

// resolver turns the raw values of all files into a Config.
type resolver struct {
	*strictyaml.Collector
	lines map[string][]string // of each file
	files *boundedfile.Reader
	raw   rawFile

	apis        map[string]sessionapi.API  // including those that the files define
	specs       map[string]sessionapi.Spec // of apis
	defined     map[string]*custom.API
	credentials map[string]*Credential
	modules     map[string]Settings
}

// describe returns how errors refer to an entry of a block: its kind and, if it may be
// shown, its name.
func (r *resolver) describe(kind string, block strictyaml.Key, name string) string {
	if !r.Shows(block, name) {
		return "this " + kind
	}
	return kind + ` "` + name + `"`
}

func (r *resolver) apiName(name string) string {
	return strings.ReplaceAll(r.describe("api", "apis", name), `"`, "")
}

func (r *resolver) credentialName(c *Credential) string {
	return r.describe("credential", "credentials", c.Name)
}

// plainValue matches a documented value, which may be a path.
var plainValue = regexp.MustCompile(`^[A-Za-z/][A-Za-z/_.-]*$`)

// oneOfValues lists the values that a key may have, unless they may be secrets: the file
// itself may define them.
func oneOfValues(values []string) string {
	if len(values) > strictyaml.MaxListed || slices.ContainsFunc(values, func(value string) bool { return !plainValue.MatchString(value) }) {
		return "must be one of the values that the API documents"
	}
	return "must be one of: " + strings.Join(values, ", ")
}

// anyInvalid reports whether one of a block's keys has an error.
func (r *resolver) anyInvalid(block strictyaml.Key, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return r.Invalid(block.Field(name)) })
}

// resolveAPIs compiles the APIs that the files define, in addition to the built-in ones. An API of
// a file replaces the built-in one of the same name, so a file that defines an API still
// works with a later version that has it built in.
func (r *resolver) resolveAPIs() error {
	r.apis = sessionapi.BuiltIn()
	r.defined = make(map[string]*custom.API, len(r.raw.APIs))
	for name, definition := range r.raw.APIs {
		key := strictyaml.Key("apis").Field(name)
		api, err := custom.Compile(&definition, key, r.lines[r.Position(key).File], r.Collector)
		if err != nil {
			return err
		}
		r.defined[name], r.apis[name] = api, api
	}
	r.specs = make(map[string]sessionapi.Spec, len(r.apis))
	for name, api := range r.apis {
		r.specs[name] = api.Spec()
	}
	return nil
}

// checkDuration rejects an explicit duration below a minimum.
func (r *resolver) checkDuration(key strictyaml.Key, value *model.Duration, least time.Duration) {
	if value != nil && time.Duration(*value) < least && !r.Invalid(key) {
		r.Add(key, "must be at least %s", least)
	}
}

// checkTimeout rejects an explicit timeout that exceeds the interval. An inherited one
// is capped at the interval.
func (r *resolver) checkTimeout(key strictyaml.Key, value *model.Duration, interval time.Duration) {
	if value != nil && time.Duration(*value) > interval && !r.Invalid(key) {
		r.Add(key, "must not exceed the interval, which is %s", model.Duration(interval))
	}
}

// checkControl rejects control characters in a user's name. Most are unintended
// escapes.
func (r *resolver) checkControl(key strictyaml.Key, text string) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		r.Add(key, "contains a control character; in double quotes, a backslash starts an escape such as `\\n`: use single quotes")
	}
}

func checkHeaderValues[S ~string](r *resolver, key strictyaml.Key, values []S) {
	for i, value := range values {
		r.AddProblem(key.Item(i), sessionapi.HeaderValueProblem(string(value)))
	}
}
