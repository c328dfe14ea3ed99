package collector

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/probe"
)

// family is one metric of endpoints: its name and meaning, and how its samples
// are read from an endpoint's state. This table is all there is to a metric.
//
// Samples are read in the order of their labels' values, which is how
// client_golang sorts them, and of nothing but the state: what is read is kept
// until the state changes.
type family struct {
	name, help string
	kind       dto.MetricType
	labels     []string // beside the endpoint's own
	read       func(s *state, e *emitter)
	desc       *prometheus.Desc // of the current label names
}

const (
	gauge         = dto.MetricType_GAUGE
	counter       = dto.MetricType_COUNTER
	histogramKind = dto.MetricType_HISTOGRAM
)

// familyTable lists every metric of endpoints.
func familyTable() []family {
	return slices.Concat(probeFamilies(), sessionFamilies(), loginFamilies())
}

// probeFamilies are about probes and their answers.
func probeFamilies() []family {
	states := slices.Sorted(slices.Values(probe.States()))
	return []family{
		{name: "session_up", kind: gauge, help: "Whether the last probe found a valid session, as expected. No sample before the first probe.", read: func(s *state, e *emitter) {
			e.emitIf(s.result.State != probe.Unknown, truth(s.result.State == probe.Valid))
		}},
		{name: "session_auth_success", kind: gauge, help: "The last conclusive verdict on the credential or session: 1 accepted, 0 refused. An outage does not change it.", read: func(s *state, e *emitter) {
			e.emitIf(s.verdict != probe.Inconclusive, truth(s.verdict == probe.Accepted))
		}},
		{name: "session_auth_timestamp_seconds", kind: gauge, help: "When the verdict of session_auth_success was reached, as Unix time.", read: func(s *state, e *emitter) {
			e.emitTime(s.verdictAt)
		}},
		{name: "session_state", kind: gauge, labels: []string{"state"}, help: "What the last probe found: 1 for that state, 0 for all others.", read: func(s *state, e *emitter) {
			for _, state := range states {
				e.emit(truth(state == s.result.State), string(state))
			}
		}},
		{name: "session_probes_total", kind: counter, help: "Probes made.", read: func(s *state, e *emitter) { e.emit(s.probes) }},
		{name: "session_probe_failures_total", kind: counter, help: "Probes that did not find a valid session.", read: func(s *state, e *emitter) { e.emit(s.failures) }},
		{name: "session_last_probe_timestamp_seconds", kind: gauge, help: "When the last probe began, as Unix time.", read: func(s *state, e *emitter) { e.emitTime(s.result.Start) }},
		{name: "session_last_success_timestamp_seconds", kind: gauge, help: "When the last probe that found a valid session began, as Unix time.", read: func(s *state, e *emitter) { e.emitTime(s.lastSuccess) }},
		{name: "session_consecutive_failures", kind: gauge, help: "Probes since the last one that found a valid session.", read: func(s *state, e *emitter) { e.emit(float64(s.consecutiveFailures)) }},
		{name: "session_errors_total", kind: counter, labels: []string{"code"}, help: "Answers to checks and logins that carried an error code of the API. Documented codes start at 0; at most 20 codes are told apart, the rest is code=\"other\".", read: func(s *state, e *emitter) {
			for _, code := range sortedKeys(s.codes) {
				e.emit(s.codes[code], code)
			}
		}},
		{name: "session_probe_duration_seconds", kind: histogramKind, help: "Duration of probes that were sent, login and renewal included.", read: func(s *state, e *emitter) { e.out.Histogram(s.duration.dto()) }},
		{name: "session_probe_phase_duration_seconds", kind: gauge, labels: []string{"phase"}, help: "Duration of the parts of the last check that was sent. A kept connection spends nothing on resolve, connect and tls.", read: readPhases},
		{name: "session_http_status_code", kind: gauge, help: "HTTP status of the last probe's last answer, 0 if there was none.", read: func(s *state, e *emitter) {
			last, _ := s.result.Last()
			e.emitIf(s.result.State != probe.Unknown, float64(last.Status))
		}},
	}
}

// sessionFamilies are about what a valid session shows.
func sessionFamilies() []family {
	return []family{
		{name: "session_roles", kind: gauge, help: "How many roles the session has. No sample where the API does not say.", read: func(s *state, e *emitter) {
			if id := s.result.Identity; id != nil {
				e.emitIf(id.Roles != nil, float64(len(id.Roles)))
			}
		}},
		{name: "session_organizations", kind: gauge, help: "How many organizations the session has. No sample where the API does not say.", read: func(s *state, e *emitter) {
			if id := s.result.Identity; id != nil {
				e.emitIf(id.Organizations != nil, float64(len(id.Organizations)))
			}
		}},
		{name: "session_role_present", kind: gauge, labels: []string{"role"}, help: "Whether the session has a role of `expect.roles`.", read: func(s *state, e *emitter) {
			for _, role := range sortedKeys(s.result.RolesExpected) {
				e.emit(truth(s.result.RolesExpected[role]), role)
			}
		}},
		{name: "session_info", kind: gauge, labels: []string{"username", "organization", "enterprise", "version"}, help: "Who the session belongs to, and the API's version.", read: func(s *state, e *emitter) {
			if id := s.result.Identity; id != nil {
				e.emit(1, id.Username, id.Organization, id.Enterprise, id.Version)
			}
		}},
		{name: "session_clock_skew_seconds", kind: gauge, help: "The appliance's clock minus ours, the round trip taken out. No sample where the last answer had no time.", read: func(s *state, e *emitter) {
			if s.result.ClockSkew != nil {
				e.emit(s.result.ClockSkew.Seconds())
			}
		}},
		{name: "session_tls_certificate_expiry_timestamp_seconds", kind: gauge, help: "The earliest end of the certificates last presented, as Unix time, trusted or not.", read: func(s *state, e *emitter) {
			e.emitTime(s.certificateExpiry)
		}},
		{name: "session_credential_expiry_timestamp_seconds", kind: gauge, labels: []string{"source"}, help: "When the credential or token ends, as Unix time, by who says so: config, jwt, oauth2 or api.", read: func(s *state, e *emitter) {
			for _, source := range sortedKeys(s.result.CredentialExpiries) {
				e.emitTime(s.result.CredentialExpiries[source], source)
			}
		}},
	}
}

// loginFamilies are about how sessions begin and end.
func loginFamilies() []family {
	return []family{
		{name: "session_logins_total", kind: counter, help: "Logins sent.", read: func(s *state, e *emitter) { e.emit(s.logins) }},
		{name: "session_login_failures_total", kind: counter, help: "Logins sent that gave no session.", read: func(s *state, e *emitter) { e.emit(s.loginFailures) }},
		{name: "session_logins_unanswered_total", kind: counter, help: "Logins sent whose answer never came, or could not be read. Each may have left a session on the appliance until that ends it.", read: func(s *state, e *emitter) { e.emit(s.unanswered) }},
		{name: "session_logouts_total", kind: counter, help: "Logouts that the appliance accepted.", read: func(s *state, e *emitter) { e.emit(s.logouts) }},
		{name: "session_logout_failures_total", kind: counter, help: "Logouts sent that the appliance did not accept. Each may have left a session there until that ends it.", read: func(s *state, e *emitter) { e.emit(s.logoutFailures) }},
		{name: "session_expirations_total", kind: counter, help: "Sessions of ours that the appliance had ended.", read: func(s *state, e *emitter) { e.emit(s.expirations) }},
		{name: "session_established_timestamp_seconds", kind: gauge, help: "When the session held now was established, as Unix time. No sample when none is held.", read: func(s *state, e *emitter) {
			e.emitTime(s.result.Established)
		}},
		{name: "session_lifetime_seconds", kind: gauge, help: "How long the last session lived that the appliance ended. No sample before the first.", read: func(s *state, e *emitter) {
			e.emitIf(s.expirations > 0, s.lifetime.Seconds())
		}},
		{name: "session_login_suspended", kind: gauge, help: "Whether the lockout guard withheld the last probe's login.", read: func(s *state, e *emitter) {
			e.emit(truth(s.result.State == probe.LoginSuspended))
		}},
		{name: "session_login_resume_timestamp_seconds", kind: gauge, help: "When a login that the lockout guard withholds may be sent, as Unix time. No sample when none is withheld.", read: func(s *state, e *emitter) {
			if s.result.State == probe.LoginSuspended {
				e.emitTime(s.result.ResumeAt)
			}
		}},
	}
}

func readPhases(s *state, e *emitter) {
	if s.phases != nil {
		e.emit(s.phases.Connect.Seconds(), "connect")
		e.emit(s.phases.Processing.Seconds(), "processing")
		e.emit(s.phases.Resolve.Seconds(), "resolve")
		e.emit(s.phases.TLS.Seconds(), "tls")
		e.emit(s.phases.Transfer.Seconds(), "transfer")
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
