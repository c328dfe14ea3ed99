package probe

import (
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"session_exporter/config"
	"session_exporter/probe/transport/mask"
	"session_exporter/sessionapi"
)

// difference is a difference between a session and what is expected of it.
type difference struct {
	name   string // of the user, role or organization, as in the response or the configuration
	before string // words before the name
	after  string // words after it
}

// differences compares what is expected with the identity as the API reported it, before
// names are cut, masked and cleaned: afterwards, different names may look the same.
func differences(expect config.Expect, id *sessionapi.Identity) []difference {
	var all []difference
	if expect.Username != "" && id.Username != expect.Username {
		all = append(all, difference{id.Username, "the user is ", " and not " + strconv.Quote(expect.Username)})
	}
	missing := func(kind string, expected, present []string) {
		for _, name := range expected {
			if !slices.Contains(present, name) {
				all = append(all, difference{name, kind + " ", " is missing" + lookalike(name, present)})
			}
		}
	}
	missing("role", expect.Roles, id.Roles)
	for _, role := range id.Roles {
		switch {
		case slices.Contains(expect.ForbidRoles, role):
			all = append(all, difference{role, "role ", " is present but forbidden"})
		case expect.RolesExact && !slices.Contains(expect.Roles, role):
			all = append(all, difference{role, "role ", " is present but not expected"})
		}
	}
	missing("organization", expect.Organizations, id.Organizations)
	return all
}

// lookalike points out a name that looks like the missing one.
func lookalike(missing string, names []string) string {
	for _, name := range names {
		if sessionapi.CleanText(name, sessionapi.MaxName) == missing {
			return " (the session has a name that differs only in invisible characters)"
		}
	}
	return ""
}

// describe describes differences. Invisible characters of names are escaped.
func describe(all []difference, m mask.Masker, e *config.Endpoint) []string {
	words := make([]string, 0, len(all))
	for _, d := range all {
		hideNames(m, e, &d.name)
		words = append(words, d.before+strconv.Quote(cut(d.name, sessionapi.MaxName))+d.after)
	}
	return words
}

// rolesExpected reports for each role that is expected whether the session has it.
// Forbidden roles are left out: false always means a missing role.
func rolesExpected(expect config.Expect, id *sessionapi.Identity) map[string]bool {
	if id.Roles == nil || len(expect.Roles) == 0 {
		return nil
	}
	present := make(map[string]bool, len(expect.Roles))
	for _, role := range expect.Roles {
		present[role] = slices.Contains(id.Roles, role)
	}
	return present
}

func cut(text string, limit int) string {
	for i := range text {
		if limit == 0 {
			return text[:i] + "…"
		}
		limit--
	}
	return text
}

// hide masks the texts in which an appliance may quote secrets. A name that the
// endpoint's configuration has is shown even if the password is part of it. clean is the
// fingerprint of the names that were last found to contain no secret.
func hide(r *sessionapi.Interpretation, m mask.Masker, e *config.Endpoint, clean *uint64) {
	r.Why = m.MaskName(mask.Beginning(r.Why, sessionapi.MaxMessage)) // our own text, with names from the API
	r.Code, r.Message = m.Mask(mask.Beginning(r.Code, sessionapi.MaxMessage)), m.Mask(mask.Beginning(r.Message, sessionapi.MaxMessage))
	if r.ExpiryOf != "" {
		r.ExpiryOf = m.MaskName(mask.Beginning(r.ExpiryOf, sessionapi.MaxMessage))
	}
	r.OperationID = m.MaskID(mask.Beginning(r.OperationID, sessionapi.MaxMessage))
	id := r.Identity
	if id == nil {
		return
	}
	mark := fingerprint(m, id)
	if mark == *clean {
		return
	}
	names := []*string{&id.Username, &id.Organization, &id.Enterprise, &id.Version}
	for _, list := range [][]string{id.Roles, id.Organizations} {
		for i := range list {
			names = append(names, &list[i])
		}
	}
	if hideNames(m, e, names...) {
		*clean = mark
	}
}

// hideNames masks names, and reports whether all are unchanged.
func hideNames(m mask.Masker, e *config.Endpoint, names ...*string) bool {
	return mask.Names(m, names, sessionapi.MaxName, func(name string) bool { return isConfigured(name, e) })
}

// isConfigured reports whether a name is in an endpoint's configuration.
func isConfigured(name string, e *config.Endpoint) bool {
	expect := &e.Expect
	return name == e.Credential.Username || name == expect.Username || slices.Contains(expect.Roles, name) ||
		slices.Contains(expect.ForbidRoles, name) || slices.Contains(expect.Organizations, name)
}

// fingerprint identifies names together with the secrets that they were masked with. Both
// rarely change between probes, so most names need not be searched again.
func fingerprint(m mask.Masker, id *sessionapi.Identity) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(m.Version())
	for _, names := range [...][]string{{id.Username, id.Organization, id.Enterprise, id.Version}, id.Roles, id.Organizations} {
		for _, name := range names {
			_, _ = d.WriteString(name) // never fails
			_, _ = d.WriteString("\x00")
		}
	}
	return d.Sum64()
}
