package config

import (
	"bytes"
	"errors"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"session_exporter/internal/boundedfile"
	"session_exporter/internal/strictyaml"
)

// Loader loads a configuration from one or several files. Keep one Loader for all reloads:
// it remembers files that hang. It is safe for concurrent use.
type Loader struct {
	patterns []string // sorted
	files    boundedfile.Reader
}

// NewLoader returns a loader of the files that the patterns match: see Glob of package
// boundedfile. Together they are one configuration, in which their order means nothing.
func NewLoader(patterns ...string) *Loader {
	sorted := slices.Sorted(slices.Values(patterns))
	return &Loader{patterns: slices.Compact(sorted)}
}

// Check is Load with all problems: errors, secrets that cannot be read, and warnings.
// The configuration is nil if there are errors.
func Check(patterns ...string) (config *Config, found Problems) {
	return NewLoader(patterns...).check()
}

// Load loads and checks the configuration. It returns an error, of type Problems, only if
// the configuration cannot be used. Otherwise the problems are in its Problems.
func (l *Loader) Load() (*Config, error) {
	config, found := l.check()
	return config, found.Err()
}

// CheckText is Check for a text, in addition to files. name is the text's name in errors, and
// relative paths are resolved from its directory.
func CheckText(text []byte, name string, patterns ...string) (config *Config, found Problems) {
	return NewLoader(patterns...).check(source{name, text})
}

// Parse is Loader.Load for the text of a single file. file is its name in errors, and relative
// paths are resolved from its directory.
func Parse(text []byte, file string) (*Config, error) {
	config, found := CheckText(text, file)
	return config, found.Err()
}

// source is the text of a file.
type source struct {
	file string
	text []byte
}

// check checks the configuration of the loader's files and the given texts.
func (l *Loader) check(given ...source) (config *Config, found Problems) {
	sources, found := l.read(given)
	name := nameOf(given, l.patterns)
	r := &resolver{
		Collector: strictyaml.NewCollector(name, "credentials", "apis", "modules"),
		lines:     make(map[string][]string, len(sources)),
		files:     &l.files,
	}
	decoder := &strictyaml.Decoder{Scalars: scalars, Inspect: r.inspect}
	decoded := len(found) == 0
	for _, s := range sources {
		r.lines[s.file] = strings.Split(string(s.text), "\n")
		if len(bytes.TrimSpace(s.text)) == 0 {
			// Most likely an editor or a deployment is writing it. A reload must not end
			// the sessions of its endpoints because of that.
			r.AddPosition("", Position{File: s.file}, "is empty; write at least a comment, or remove the file")
		}
		if !decoder.Decode(s.file, s.text, &r.raw, r.Collector) {
			decoded = false
		}
	}
	if decoded {
		var err error
		if config, err = r.config(); err != nil {
			r.AddAt(0, "", "cannot be loaded: %v", err)
		}
	}
	found = append(found, r.Problems()...)
	found.Sort()
	if found.Err() != nil {
		return nil, found
	}
	for _, s := range sources {
		config.Files = append(config.Files, s.file)
	}
	config.Name, config.Problems = name, found
	return config, found
}

// config checks the raw values, and returns the configuration.
func (r *resolver) config() (*Config, error) {
	masked, err := yaml.Marshal(r.raw.masked()) // first: resolving makes the paths of header files absolute
	if err != nil {
		return nil, errors.New("it cannot be shown with its secrets masked") // the error may quote a secret
	}
	if err := r.resolveAPIs(); err != nil {
		return nil, err
	}
	r.resolveCredentials()
	r.resolveModules()
	config := &Config{
		YAML:        string(masked),
		Credentials: r.credentials,
		APIs:        r.defined,
		Modules:     r.modules,
		Endpoints:   r.endpoints(),
	}
	r.metricsDeny(config)
	for name, module := range config.Modules { // after the endpoints: they inherit what the file sets, not what is derived from it
		config.Modules[name] = module.withDerived()
	}
	labels := make(map[string]bool)
	for _, endpoint := range config.Endpoints {
		for name := range endpoint.Labels {
			labels[name] = true
		}
	}
	config.LabelNames = slices.Sorted(maps.Keys(labels))
	if len(r.raw.Endpoints) == 0 && len(r.raw.Modules) == 0 && !r.Failed() {
		r.AddAt(0, "", "has no `modules` and no `endpoints`, so there is nothing to probe")
	}
	r.warnings(config)
	return config, nil
}

// metricsDeny compiles the patterns of `metrics_deny`.
func (r *resolver) metricsDeny(config *Config) {
	for i, pattern := range r.raw.Global.MetricsDeny {
		key := strictyaml.Key("global.metrics_deny").Item(i)
		// Compiled alone first: inside the group, a stray `)` would close it.
		if _, err := regexp.Compile(pattern); err != nil {
			r.Add(key, "not a regular expression: %s", patternProblem(err))
			continue
		}
		config.MetricsDeny = append(config.MetricsDeny, regexp.MustCompile("^(?:"+pattern+")$"))
		config.DenyAt = append(config.DenyAt, r.Position(key))
	}
}

// patternProblem returns the error without the pattern.
func patternProblem(err error) string {
	if syntaxErr, ok := errors.AsType[*syntax.Error](err); ok {
		return syntaxErr.Code.String()
	}
	return err.Error()
}

// Problem is one problem of a configuration.
type Problem = strictyaml.Problem

// Problems are the problems of a configuration, warnings included. Err returns them as an
// error, without the warnings.
type Problems = strictyaml.Problems

// Position is a place in a configuration file.
type Position = strictyaml.Position

// The severities of problems.
const (
	// Invalid: the configuration cannot be used.
	Invalid = strictyaml.Invalid
	// MissingSecret: a secret cannot be read. Until it can, the endpoints that use it are
	// `credential_missing`.
	MissingSecret = strictyaml.Incomplete
	// Warning: the configuration is valid, but this is most likely a mistake.
	Warning = strictyaml.Warning
)
