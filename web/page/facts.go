package page

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

type group struct {
	Title string
	Facts []fact
	Roles []role
}

// fact is a line of a group: a name with a text, a time, or both.
type fact struct {
	Name string
	Text string
	At   time.Time
	Kind sessionapi.Kind // for the color; empty for none
}

// role is a role that the session has or should have.
type role struct {
	Name string
	Kind sessionapi.Kind
	Text string
}

func nonEmpty(groups ...group) []group {
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.Facts) == 0 && len(g.Roles) == 0 })
}

func knownFacts(all ...fact) []fact {
	return slices.DeleteFunc(all, func(f fact) bool { return f.Text == "" && f.At.IsZero() })
}

func sessionFacts(s *collector.Status) []fact {
	lifetime := ""
	if s.Lifetime > 0 {
		lifetime = formatDuration(s.Lifetime)
	}
	session := ""
	switch {
	case s.Endpoint.Auth == sessionapi.AuthBasic:
		session = "none: every probe sends the password"
	case s.Endpoint.Credential.OAuth2 != nil:
		session = "none: every probe presents a bearer token from the authorization server"
	case s.Endpoint.Auth != sessionapi.AuthLogin:
		session = "external token, not managed here"
	case s.Result.Established.IsZero():
		session = "none"
	}
	return knownFacts(
		fact{Name: "Session", Text: session},
		fact{Name: "Logged in", At: s.Result.Established},
		fact{Name: "Lifetime of the last terminated session", Text: lifetime},
		controlFact(s.Result.NegativeControl),
		fact{Name: "Appliance's clock", Text: skewText(s.Result.ClockSkew), Kind: skewKind(s.Result.ClockSkew)},
	)
}

// controlFact shows the result of the negative control: the verdict on an impossible token.
func controlFact(control *probe.NegativeControl) fact {
	switch {
	case control == nil:
		return fact{}
	case control.Refused:
		return fact{Name: "Impossible token", Text: "refused", At: control.Time}
	default:
		return fact{Name: "Impossible token", Text: "accepted", At: control.Time, Kind: sessionapi.KindRefused}
	}
}

func skewText(skew *time.Duration) string {
	switch {
	case skew == nil:
		return ""
	case *skew >= time.Second:
		return formatDuration(*skew) + " fast"
	case *skew <= -time.Second:
		return formatDuration(-*skew) + " slow"
	default:
		return "in sync (±1 s)"
	}
}

// maxSkew is how far clocks may differ before tokens and certificates are affected. The
// alert SessionClockSkew has the same limit.
const maxSkew = time.Minute

func skewKind(skew *time.Duration) sessionapi.Kind {
	if skew != nil && skew.Abs() > maxSkew {
		return sessionapi.KindTrouble
	}
	return ""
}

func identityFacts(s *collector.Status) []fact {
	id := s.Result.Identity
	if id == nil {
		return nil
	}
	return knownFacts(
		fact{Name: "User", Text: id.Username},
		fact{Name: "Organization", Text: id.Organization},
		fact{Name: "Organizations", Text: strings.Join(id.Organizations, ", ")},
		fact{Name: "Enterprise", Text: id.Enterprise},
		fact{Name: "API version", Text: id.Version},
		fact{Name: "Session created", At: id.Created},
		fact{Name: "Session last used", At: id.LastAccessed},
	)
}

func expiryFacts(s *collector.Status) []fact {
	all := []fact{{Name: "Certificate", At: s.CertificateExpiry}}
	from := map[string]string{"config": "as configured", "jwt": "from the token", "oauth2": "from the authorization server", "api": "from the API"}
	for _, source := range slices.Sorted(maps.Keys(s.Result.CredentialExpiries)) {
		f := fact{Name: "Credential, " + from[source], At: s.Result.CredentialExpiries[source]}
		if source == "api" {
			f.Text = s.Result.ExpiryOf
		}
		all = append(all, f)
	}
	return knownFacts(all...)
}

func counterFacts(s *collector.Status) []fact {
	number := func(n float64) string { return model.SampleValue(n).String() }
	return []fact{
		{Name: "Probes", Text: number(s.Probes)},
		{Name: "Failed", Text: number(s.Failures)},
		{Name: "Logins", Text: number(s.Logins)},
		{Name: "Failed logins", Text: number(s.LoginFailures)},
		{Name: "Logouts", Text: number(s.Logouts)},
		{Name: "Sessions ended by the appliance", Text: number(s.Expirations)},
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
	duration := func(d time.Duration, zero string) string {
		if d == 0 {
			return zero
		}
		return model.Duration(d).String()
	}
	sessionAge := e.SessionMaxAge
	if e.Auth != sessionapi.AuthLogin {
		sessionAge = 0 // the exporter holds no session
	}
	pairing, local := "", ""
	if e.Pairing != nil {
		pairing, local = e.Pairing.ID, e.Pairing.Local.Name
	}
	grant := ""
	if e.Credential.OAuth2 != nil {
		grant = string(e.Credential.OAuth2.GrantType)
	}
	return knownFacts(
		fact{Name: "URL", Text: e.URL.String()},
		fact{Name: "Pairing", Text: pairing},
		fact{Name: "Local credential", Text: local},
		fact{Name: "Module", Text: e.Module},
		fact{Name: "API", Text: e.API},
		fact{Name: "Authentication", Text: string(e.Auth)},
		fact{Name: "Grant", Text: grant},
		fact{Name: "Credential", Text: e.Credential.Name},
		fact{Name: "Secret from", Text: e.Credential.Secret.String()},
		fact{Name: "Interval", Text: duration(e.Interval, "")},
		fact{Name: "Timeout", Text: duration(e.Timeout, "")},
		fact{Name: "New session after", Text: duration(sessionAge, "")},
		fact{Name: "New connection after", Text: duration(e.ConnectionMaxAge, "every probe")},
		fact{Name: "Negative control every", Text: duration(e.NegativeControl, "")},
		fact{Name: "Expected user", Text: e.Expect.Username},
		fact{Name: "Expected organizations", Text: strings.Join(e.Expect.Organizations, ", ")},
	)
}

// roles returns the expected roles first, then the other roles that the session has.
func roles(s *collector.Status) []role {
	var all []role
	var reported []string
	if s.Result.Identity != nil {
		reported = s.Result.Identity.Roles
	}
	expect := s.Endpoint.Expect
	for _, name := range expect.Roles {
		switch present, known := s.Result.RolesExpected[name]; {
		case !known:
			all = append(all, role{name, sessionapi.KindUnknown, "expected"})
		case present:
			all = append(all, role{name, sessionapi.KindOK, "expected, present"})
		default:
			all = append(all, role{name, sessionapi.KindRefused, "expected, missing"})
		}
	}
	for _, name := range reported {
		switch {
		case slices.Contains(expect.Roles, name):
		case slices.Contains(expect.ForbidRoles, name):
			all = append(all, role{name, sessionapi.KindRefused, "present, forbidden"})
		case expect.RolesExact:
			all = append(all, role{name, sessionapi.KindRefused, "present, not expected"})
		default:
			all = append(all, role{name, sessionapi.KindOK, "present"})
		}
	}
	return all
}
