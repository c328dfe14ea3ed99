package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"session_exporter/internal/boundedfile"
	"session_exporter/internal/strictyaml"
)

// Loader loads configurations. Keep one Loader for all reloads of a file: it remembers
// files that hang. It is safe for concurrent use.
type Loader struct{ files boundedfile.Reader }

// NoSuchFile is the text of the only problem of a file that does not exist.
const NoSuchFile = "no such file; name another one with --config.file"

// Load loads and checks a configuration file. It returns an error, of type Problems, only
// if the file cannot be used. Others are in the configuration's Problems.
func Load(file string) (*Config, error) { return new(Loader).Load(file) }

// Check is Load with all problems: errors, secrets that cannot be read, and warnings.
// The configuration is nil if there are errors.
func Check(file string) (config *Config, found Problems) { return new(Loader).check(file) }

// Load loads and checks a configuration file, like the function Load.
func (l *Loader) Load(file string) (*Config, error) {
	config, found := l.check(file)
	return config, found.Err()
}

func (l *Loader) check(file string) (config *Config, found Problems) {
	text, err := l.files.Read(file, MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Problems{{File: file, Text: NoSuchFile}}
	case err != nil:
		return nil, Problems{{File: file, Text: boundedfile.Reason(err).Error()}}
	}
	return l.parse(text, file)
}

// Fingerprint returns a hash of the files' content, which is never empty. A file that
// cannot be read counts as a distinct content.
func (l *Loader) Fingerprint(files ...string) string { return fingerprint(&l.files, files) }

// CheckText is Check for the text of a configuration file. file is its name in errors, and
// relative paths are resolved from its directory.
func CheckText(text []byte, file string) (config *Config, found Problems) {
	if len(text) > MaxSize {
		return nil, Problems{{File: file, Text: fmt.Sprintf("is larger than %d MiB", MaxSize>>20)}}
	}
	return new(Loader).parse(text, file)
}

// Parse checks the text of a configuration file. file is its name in errors, and
// relative paths are resolved from its directory.
func Parse(text []byte, file string) (*Config, error) {
	config, found := new(Loader).parse(text, file)
	return config, found.Err()
}

func (l *Loader) parse(text []byte, file string) (config *Config, found Problems) {
	r := &resolver{
		Collector: strictyaml.NewCollector(file, "credentials", "apis", "modules"),
		dir:       filepath.Dir(file),
		lines:     strings.Split(string(text), "\n"),
		files:     &l.files,
	}
	if (&strictyaml.Decoder{Scalars: scalars, Inspect: r.inspect}).Decode(text, &r.raw, r.Collector) {
		var err error
		if config, err = r.config(); err != nil {
			r.AddAt(0, "", "cannot be loaded: %v", err)
		}
	}
	found = r.Problems()
	if found.Err() != nil {
		return nil, found
	}
	config.Problems = found
	return config, found
}

// config checks the raw values, and returns the configuration.
func (r *resolver) config() (*Config, error) {
	masked, err := yaml.Marshal(r.raw.masked()) // before the secrets are removed from it
	if err != nil {
		return nil, errors.New("it cannot be shown with its secrets masked") // the error may quote a secret
	}
	if err := r.resolveAPIs(); err != nil {
		return nil, err
	}
	r.resolveCredentials()
	r.resolveModules()
	config := &Config{
		File:        r.File(),
		YAML:        string(masked),
		MetricsDeny: r.metricsDeny(),
		Credentials: r.credentials,
		APIs:        r.described,
		Modules:     r.modules,
		Endpoints:   r.endpoints(),
		DenyLines:   make([]int, 0, len(r.raw.Global.MetricsDeny)),
	}
	for name, module := range config.Modules { // now that no endpoint overrides them
		config.Modules[name] = module.withDerived()
	}
	for i := range r.raw.Global.MetricsDeny {
		config.DenyLines = append(config.DenyLines, r.Line(strictyaml.Key("global.metrics_deny").Item(i)))
	}
	for _, endpoint := range config.Endpoints {
		for name := range endpoint.Labels {
			if !slices.Contains(config.LabelNames, name) {
				config.LabelNames = append(config.LabelNames, name)
			}
		}
	}
	slices.Sort(config.LabelNames)
	if len(r.raw.Endpoints) == 0 && len(r.raw.Modules) == 0 && !r.Failed() {
		// Most likely an editor or a deployment is writing it. A reload must not end
		// every session because of that.
		r.AddAt(0, "", "has no `modules` and no `endpoints`, so there is nothing to probe")
	}
	r.warnings(config)
	return config, nil
}

func (r *resolver) metricsDeny() []*regexp.Regexp {
	denied := make([]*regexp.Regexp, 0, len(r.raw.Global.MetricsDeny))
	for i, pattern := range r.raw.Global.MetricsDeny {
		// Compiled alone first: inside the group, a stray `)` would close it.
		if _, err := regexp.Compile(pattern); err != nil {
			r.Add(strictyaml.Key("global.metrics_deny").Item(i), "not a regular expression: %s", patternProblem(err))
			continue
		}
		denied = append(denied, regexp.MustCompile("^(?:"+pattern+")$"))
	}
	return denied
}

// patternProblem returns the error without the pattern.
func patternProblem(err error) string {
	if syntaxErr, ok := errors.AsType[*syntax.Error](err); ok {
		return syntaxErr.Code.String()
	}
	return err.Error()
}

// Problem is one problem of a configuration file.
type Problem = strictyaml.Problem

// Problems are the problems of a configuration, in the order of the file. As an error,
// they are only those that make it unusable.
type Problems = strictyaml.Problems

// Severity is a problem's effect on the configuration.
type Severity = strictyaml.Severity

// The severities.
const (
	// Invalid: the configuration cannot be used.
	Invalid = strictyaml.Invalid
	// MissingSecret affects only a credential: its endpoints are `credential_missing`
	// until the secret can be read.
	MissingSecret = strictyaml.Incomplete
	// Warning: the configuration is valid, but this is most likely a mistake.
	Warning = strictyaml.Warning
)
