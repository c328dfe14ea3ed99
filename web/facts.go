package web

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"session_exporter/collector"
	"session_exporter/config"
)

// group is a list of facts, or of roles, under a title.
type group struct {
	Title string
	Facts []fact
	Roles []role
}

// fact is one line of it: a text, a time, or both.
type fact struct {
	Name string
	Text string
	At   moment
}

// role is one that the session has or should have.
type role struct {
	Name string
	Kind string // of the states, for icon and colour
	Text string
}

// filled leaves out groups with nothing in them.
func filled(groups ...group) []group {
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.Facts) == 0 && len(g.Roles) == 0 })
}

// facts leaves out those of which nothing is known.
func facts(all ...fact) []fact {
	return slices.DeleteFunc(all, func(f fact) bool { return f.Text == "" && !f.At.Known() })
}

func sessionFacts(s *collector.Status, at func(time.Time) moment) []fact {
	lifetime := ""
	if s.Lifetime > 0 {
		lifetime = span(s.Lifetime)
	}
	held := ""
	switch {
	case s.Endpoint.Auth != config.AuthLogin:
		held = "not ours: every probe presents what it is given"
	case s.Result.Established.IsZero():
		held = "none is held"
	}
	return facts(
		fact{Name: "Session", Text: held},
		fact{Name: "Logged in", At: at(s.Result.Established)},
		fact{Name: "Last one ended by the appliance lived", Text: lifetime},
		fact{Name: "Appliance's clock", Text: skewInWords(s.Result.ClockSkew)},
	)
}

func skewInWords(skew *time.Duration) string {
	switch {
	case skew == nil:
		return ""
	case *skew >= time.Second:
		return span(*skew) + " ahead of ours"
	case *skew <= -time.Second:
		return span(-*skew) + " behind ours"
	default:
		return "right to a second"
	}
}

func identityFacts(s *collector.Status, at func(time.Time) moment) []fact {
	id := s.Result.Identity
	if id == nil {
		return nil
	}
	return facts(
		fact{Name: "User", Text: id.Username},
		fact{Name: "Organization", Text: id.Organization},
		fact{Name: "Organizations", Text: strings.Join(id.Organizations, ", ")},
		fact{Name: "Enterprise", Text: id.Enterprise},
		fact{Name: "API version", Text: id.Version},
		fact{Name: "Session created", At: at(id.Created)},
		fact{Name: "Session last used", At: at(id.LastAccessed)},
	)
}

func endFacts(s *collector.Status, at func(time.Time) moment) []fact {
	all := []fact{{Name: "Certificate", At: at(s.CertificateExpiry)}}
	from := map[string]string{"config": "as configured", "jwt": "says the token", "oauth2": "says the authorization server", "api": "says the API"}
	for _, source := range slices.Sorted(maps.Keys(s.Result.CredentialExpiries)) {
		all = append(all, fact{Name: "Credential, " + from[source], At: at(s.Result.CredentialExpiries[source])})
	}
	return facts(all...)
}

func countFacts(s *collector.Status) []fact {
	number := func(n float64) string { return model.SampleValue(n).String() }
	return []fact{
		{Name: "Probes", Text: number(s.Probes)},
		{Name: "Failed", Text: number(s.Failures)},
		{Name: "Logins", Text: number(s.Logins)},
		{Name: "Failed logins", Text: number(s.LoginFailures)},
		{Name: "Logouts", Text: number(s.Logouts)},
		{Name: "Renewed after the appliance ended one", Text: number(s.Expirations)},
	}
}

func labelFacts(e *config.Endpoint) []fact {
	var all []fact
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		all = append(all, fact{Name: name, Text: e.Labels[name]})
	}
	return all
}

func settingFacts(e *config.Endpoint) []fact {
	every := func(d time.Duration, zero string) string {
		if d == 0 {
			return zero
		}
		return model.Duration(d).String()
	}
	sessionAge := e.SessionMaxAge
	if e.Auth != config.AuthLogin {
		sessionAge = 0 // there is no session of ours
	}
	pairing, local := "", ""
	if e.Pairing != nil {
		pairing, local = e.Pairing.ID, e.Pairing.Local.Name
	}
	return facts(
		fact{Name: "URL", Text: e.URL.String()},
		fact{Name: "Pairing", Text: pairing},
		fact{Name: "Local credential", Text: local},
		fact{Name: "Module", Text: e.Module},
		fact{Name: "API", Text: e.API},
		fact{Name: "Authentication", Text: string(e.Auth)},
		fact{Name: "Credential", Text: e.Credential.Name},
		fact{Name: "Secret from", Text: e.Credential.Secret.String()},
		fact{Name: "Interval", Text: every(e.Interval, "")},
		fact{Name: "Timeout", Text: every(e.Timeout, "")},
		fact{Name: "New session after", Text: every(sessionAge, "")},
		fact{Name: "New connection after", Text: every(e.ConnectionMaxAge, "every probe")},
		fact{Name: "Expected user", Text: e.Expect.Username},
		fact{Name: "Expected organizations", Text: strings.Join(e.Expect.Organizations, ", ")},
	)
}

// roles are those expected, those forbidden that are there, and the others.
func roles(s *collector.Status) []role {
	var all []role
	var has []string
	if s.Result.Identity != nil {
		has = s.Result.Identity.Roles
	}
	expect := s.Endpoint.Expect
	for _, name := range expect.Roles {
		switch present, said := s.Result.RolesExpected[name]; {
		case !said:
			all = append(all, role{name, kindUnknown, "expected"})
		case present:
			all = append(all, role{name, kindOK, "expected, present"})
		default:
			all = append(all, role{name, kindRefused, "expected, missing"})
		}
	}
	for _, name := range has {
		switch {
		case slices.Contains(expect.Roles, name):
		case slices.Contains(expect.ForbidRoles, name):
			all = append(all, role{name, kindRefused, "present, forbidden"})
		case expect.RolesExact:
			all = append(all, role{name, kindRefused, "present, not expected"})
		default:
			all = append(all, role{name, kindOK, "present"})
		}
	}
	return all
}
