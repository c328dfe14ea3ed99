package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// ReservedLabels are the label names that the exporter's own series use, so
// that an endpoint cannot have them.
var ReservedLabels = []string{
	"api", "code", "endpoint", "enterprise", "le", "organization", "phase",
	"quantile", "role", "source", "state", "username", "version",
}

// settleModules checks modules by themselves, so that mistakes in one that no
// endpoint has are found too.
func (l *loader) settleModules() {
	l.modules = make(map[string]Settings, len(l.shape.Modules))
	base := l.defaults()
	for name, shape := range l.shape.Modules {
		key := join("modules", name)
		if shape.API == "" {
			l.needs(key, "api", "needs an `api`, one of: %s", strings.Join(slices.Sorted(maps.Keys(l.apis)), ", "))
		}
		base.HTTP, base.Module = &HTTP{}, name
		l.modules[name] = l.override(key, base, shape)
	}
}

func (l *loader) endpoints() []*Endpoint {
	endpoints := make([]*Endpoint, 0, len(l.shape.Endpoints))
	lines := make(map[string]int)
	for i, shape := range l.shape.Endpoints {
		key := index("endpoints", i)
		l.checkName(key, shape.Name, lines)
		endpoint := &Endpoint{
			Name:   shape.Name,
			URL:    l.endpointURL(key, shape.URL),
			Labels: shape.Labels,
		}
		l.checkLabels(join(key, "labels"), shape.Labels)
		if module, ok := l.module(key, shape.Module); ok {
			endpoint.Settings = l.settings(key, module, shape.Settings)
			l.pair(key, endpoint, shape)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints
}

func (l *loader) module(key, name string) (Settings, bool) {
	module, ok := l.modules[name]
	switch {
	case ok:
	case name == "":
		l.needs(key, "module", "needs a `module`")
	case !l.wrong["modules"]:
		l.add(join(key, "module"), "there is no module of this name%s", suggest(name, l.modules))
	}
	return module, ok
}

// settings merges what an endpoint says over what its module says.
func (l *loader) settings(key string, module Settings, own settingsShape) Settings {
	s := l.override(key, module, own)
	if s.Credential == nil && !l.wrong[join(join("modules", s.Module), "credential")] {
		l.needs(key, "credential", "needs a `credential`, here or in module %q", s.Module)
	}
	return s.settled()
}

// settled returns the settings with what follows from the whole of them.
func (s Settings) settled() Settings {
	s.Timeout = min(s.Timeout, s.Interval)
	if s.Credential != nil {
		s.Auth = cmp.Or(s.Auth, s.Credential.Auth)
	}
	return s
}

func (l *loader) checkName(endpoint, name string, lines map[string]int) {
	key := join(endpoint, "name")
	line, again := lines[name]
	switch {
	case name == "":
		l.needs(endpoint, "name", "needs a `name`")
	case badName(name):
		l.add(key, "must not have control characters, or spaces at its ends")
	case again:
		l.add(key, "the endpoint at line %d has this name already; each needs its own", line)
	default:
		lines[name] = l.line(key)
	}
}

func (l *loader) checkLabels(key string, labels map[string]string) {
	for name := range labels {
		switch {
		case !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, model.ReservedLabelPrefix):
			l.add(join(key, name), "not a label name; use letters (a to z), digits and underscores, and a letter first")
		case slices.Contains(ReservedLabels, name):
			l.add(join(key, name), "the exporter's own series have this label; choose another name")
		}
	}
}
