package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"slices"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// The defaults of what the file does not say.
const (
	defaultInterval         = time.Minute
	defaultTimeout          = 10 * time.Second
	defaultSessionMaxAge    = 30 * time.Minute
	defaultConnectionMaxAge = 10 * time.Minute

	// minInterval is also the window in which due probes are started together.
	minInterval = 100 * time.Millisecond
	// maxDuration keeps sums and doublings far from an overflow.
	maxDuration = 100 * 365 * 24 * time.Hour
)

var defaultGuard = LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour}

// Load reads and checks a configuration file. apis says which session APIs
// there are, by name. The error is Problems, all of them.
func Load(file string, apis map[string]API) (*Config, error) {
	text, err := ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Problems{{File: file, Text: "there is no such file; name another with --config.file"}}
	case err != nil:
		return nil, Problems{{File: file, Text: unwrapPath(err).Error()}}
	}
	return Parse(text, file, apis)
}

// Parse checks the text of a configuration file. file names it in errors, and
// relative paths in it are relative to file's directory.
func Parse(text []byte, file string, apis map[string]API) (*Config, error) {
	l := &loader{collected: newCollected(file), dir: filepath.Dir(file), apis: apis, text: string(text)}
	if !decode(text, &l.shape, l.collected) {
		return nil, l.err()
	}
	masked, err := yaml.Marshal(l.shape) // now, before secrets are taken out of it
	if err != nil {
		return nil, fmt.Errorf("showing %s: %w", file, err)
	}
	if err := l.settleAPIs(); err != nil {
		return nil, err
	}
	l.settleCredentials()
	l.settleModules()
	config := &Config{
		File:        file,
		YAML:        string(masked),
		MetricsDeny: l.metricsDeny(),
		Credentials: l.credentials,
		APIs:        l.definitions,
		Modules:     l.modules,
		Endpoints:   l.endpoints(),
	}
	for _, endpoint := range config.Endpoints {
		for name := range endpoint.Labels {
			if !slices.Contains(config.LabelNames, name) {
				config.LabelNames = append(config.LabelNames, name)
			}
		}
	}
	slices.Sort(config.LabelNames)
	if len(l.shape.Endpoints) == 0 && len(l.shape.Modules) == 0 && len(l.problems) == 0 {
		// Most likely an editor or a deployment is just writing it. A reload
		// must not take that for a wish to end every session.
		l.addAt(0, "", "has no `modules` and no `endpoints`, so there is nothing to probe")
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	return config, nil
}

// loader turns the shape of one file into a Config.
type loader struct {
	*collected
	dir   string
	text  string         // of the file
	apis  map[string]API // those that the file describes among them
	shape fileShape

	definitions map[string]*Definition
	credentials map[string]*Credential
	modules     map[string]Settings
}

func (l *loader) metricsDeny() []*regexp.Regexp {
	denied := make([]*regexp.Regexp, 0, len(l.shape.Global.MetricsDeny))
	for i, pattern := range l.shape.Global.MetricsDeny {
		// By itself first: a stray `)` could close the group around it.
		if _, err := regexp.Compile(pattern); err != nil {
			l.add(index("global.metrics_deny", i), "not a regular expression: %s", patternProblem(err))
			continue
		}
		denied = append(denied, regexp.MustCompile("^(?:"+pattern+")$"))
	}
	return denied
}

// patternProblem is the error without the pattern, which stands in the file.
func patternProblem(err error) string {
	if syntaxErr, ok := errors.AsType[*syntax.Error](err); ok {
		return syntaxErr.Code.String()
	}
	return err.Error()
}

// readable makes sure that a file named at key can be read, and returns its
// path resolved against the configuration's directory. The error leaves the
// path to the line it points at: it may be the secret itself, in the wrong place.
func (l *loader) readable(key, file string) string {
	if file == "" {
		return ""
	}
	path := promconfig.JoinDir(l.dir, file)
	err := tryRead(path)
	switch {
	case err == nil:
	case filepath.IsAbs(file):
		l.add(key, "cannot read this file: %v", err)
	default:
		l.add(key, "cannot read this file: %v; relative paths start at the directory of the configuration file", err)
	}
	return path
}

func tryRead(path string) error {
	info, err := stat(path)
	switch {
	case err != nil:
		return unwrapPath(err)
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is a pipe or a device, which cannot be read again and again")
	}
	_, err = ReadFile(path)
	return unwrapPath(err)
}
