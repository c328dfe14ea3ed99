package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// The defaults of what the file does not say.
const (
	defaultInterval         = time.Minute
	defaultTimeout          = 10 * time.Second
	defaultSessionMaxAge    = 30 * time.Minute
	defaultConnectionMaxAge = 10 * time.Minute

	// minInterval is also the window in which due probes are started together.
	minInterval = 100 * time.Millisecond
)

var defaultGuard = LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour}

// Load reads and checks a configuration file. apis says which session APIs
// there are, by name. The error is Problems, all of them, when the file can be
// read at all.
func Load(file string, apis map[string]API) (*Config, error) {
	text, err := os.ReadFile(file)
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
	l := &loader{
		collected: &collected{file: file, lines: make(map[string]int)},
		dir:       filepath.Dir(file),
		apis:      apis,
	}
	decode(bytes.NewReader(text), &l.shape, l.collected)
	config := &Config{
		File:        file,
		MetricsDeny: l.metricsDeny(),
		Credentials: l.credentials(),
	}
	l.modules()
	config.Endpoints = l.endpoints(config.Credentials)
	for _, endpoint := range config.Endpoints {
		for name := range endpoint.Labels {
			if !slices.Contains(config.LabelNames, name) {
				config.LabelNames = append(config.LabelNames, name)
			}
		}
	}
	slices.Sort(config.LabelNames)
	if err := l.err(); err != nil {
		return nil, err
	}
	return config, nil
}

// loader turns the shape of one file into a Config.
type loader struct {
	*collected
	dir   string
	apis  map[string]API
	shape fileShape

	// http is each module's block, so that its endpoints share one.
	http map[string]*HTTP
}

func (l *loader) metricsDeny() []*regexp.Regexp {
	denied := make([]*regexp.Regexp, 0, len(l.shape.Global.MetricsDeny))
	for i, pattern := range l.shape.Global.MetricsDeny {
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			l.add(index("global.metrics_deny", i), "not a regular expression: %v", err)
			continue
		}
		denied = append(denied, re)
	}
	return denied
}
