package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"session_exporter/internal/strictyaml"
)

// ReservedLabels are label names of the exporter's own series, which endpoints cannot
// use.
var ReservedLabels = []string{
	"api", "auth", "code", "credential", "endpoint", "enterprise", "le", "module",
	"organization", "phase", "quantile", "reason", "role", "source", "state", "url",
	"username", "version",
}

// resolveModules checks all modules, so that mistakes in unused ones are found too.
func (r *resolver) resolveModules() {
	r.modules = make(map[string]Settings, len(r.raw.Modules))
	base := r.defaults()
	for name, raw := range r.raw.Modules {
		key := strictyaml.Key("modules").Field(name)
		if raw.API == "" {
			r.Require(key, "api", "needs an `api`, one of: %s", strings.Join(slices.Sorted(maps.Keys(strictyaml.Visible(r.Collector, "apis", r.apis))), ", "))
		}
		base.HTTP, base.Module = &HTTP{files: r.files}, name
		r.modules[name] = r.override(key, base, raw)
	}
}

func (r *resolver) endpoints() []*Endpoint {
	endpoints := make([]*Endpoint, 0, len(r.raw.Endpoints))
	first := make(map[string]Position)
	for i, raw := range r.raw.Endpoints {
		key := strictyaml.Key("endpoints").Item(i)
		r.checkName(key, raw.Name, first)
		endpoint := &Endpoint{
			Name:   raw.Name,
			URL:    r.endpointURL(key, raw.URL),
			Labels: raw.Labels,
		}
		r.checkLabels(key.Field("labels"), raw.Labels)
		if module, ok := r.module(key, raw.Module); ok {
			endpoint.Settings = r.settings(key, module, raw.Settings)
			r.pair(key, endpoint, raw)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints
}

func (r *resolver) module(key strictyaml.Key, name string) (Settings, bool) {
	module, ok := r.modules[name]
	switch {
	case ok:
	case name == "":
		r.Require(key, "module", "needs a `module`")
	case !r.Invalid("modules"):
		r.Add(key.Field("module"), "unknown module%s", strictyaml.Suggest(name, strictyaml.Visible(r.Collector, "modules", r.modules)))
	}
	return module, ok
}

// settings merges an endpoint's settings over those of its module.
func (r *resolver) settings(key strictyaml.Key, module Settings, own rawSettings) Settings {
	s := r.override(key, module, own)
	if s.Credential == nil && !r.Invalid(strictyaml.Key("modules").Field(s.Module).Field("credential")) {
		r.Require(key, "credential", "needs a `credential`, here or in %s", r.describe("module", "modules", s.Module))
	}
	return s.withDerived()
}

// withDerived returns the settings with the derived ones filled in.
func (s Settings) withDerived() Settings {
	s.Timeout = min(s.Timeout, s.Interval)
	if s.SessionMaxAge == unsetSessionMaxAge {
		s.SessionMaxAge = defaultSessionMaxAge
		if s.SessionAPI != nil {
			s.SessionMaxAge = cmp.Or(s.SessionAPI.Spec().SessionMaxAge, defaultSessionMaxAge)
		}
	}
	if s.Credential != nil {
		s.Auth = cmp.Or(s.Auth, s.Credential.Auth)
	}
	return s
}

func (r *resolver) checkName(endpoint strictyaml.Key, name string, first map[string]Position) {
	key := endpoint.Field("name")
	at, again := first[name]
	switch {
	case name == "":
		r.Require(endpoint, "name", "needs a `name`")
	case strictyaml.BadName(name):
		r.Add(key, "must not contain control characters, or spaces at its start or end")
	case again:
		r.Add(key, "duplicate endpoint name (first used %s)", at.SeenFrom(r.Position(key)))
	default:
		first[name] = r.Position(key)
	}
}

func (r *resolver) checkLabels(key strictyaml.Key, labels map[string]string) {
	for name := range labels {
		switch {
		case !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, model.ReservedLabelPrefix):
			r.Add(key.Field(name), "invalid label name; use letters (a to z), digits and underscores, and begin with a letter")
		case slices.Contains(ReservedLabels, name):
			r.Add(key.Field(name), "is a label of the exporter's own series; choose another name")
		case name == "job" || name == "instance":
			r.Add(key.Field(name), "is set by Prometheus when it scrapes; choose another name")
		}
	}
}
