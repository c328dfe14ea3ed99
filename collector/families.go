package collector

import (
	"slices"

	dto "github.com/prometheus/client_model/go"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// family is one metric of endpoints, with a function that reads its samples from an
// endpoint's state. The rows of familyTable define all metrics of endpoints.
//
// read emits samples in the order of their label values, as client_golang sorts them. They
// depend only on the state and the configuration: they are kept until one of them changes.
type family struct {
	name, help string
	kind       dto.MetricType
	labels     []string // besides those of the endpoint
	read       func(s *state, e *emitter)
}

const (
	gauge         = dto.MetricType_GAUGE
	counter       = dto.MetricType_COUNTER
	histogramKind = dto.MetricType_HISTOGRAM
)

func familyTable() []family {
	return slices.Concat(probeFamilies(), sessionFamilies(), loginFamilies())
}

func probeFamilies() []family {
	states := slices.Sorted(slices.Values(sessionapi.States()))
	return []family{
		{name: "session_endpoint_info", kind: gauge, labels: []string{"url", "module", "credential", "auth"}, help: "URL, module, credential and authentication of the endpoint. Always 1.", read: func(_ *state, e *emitter) {
			e.emit(1, e.info...)
		}},
		{name: "session_up", kind: gauge, help: "Whether the last probe found a valid session that matches the expectations. No sample before the first probe.", read: func(s *state, e *emitter) {
			e.emitIf(s.Result.State != sessionapi.Unknown, truth(s.Result.State == sessionapi.Valid))
		}},
		{name: "session_auth_success", kind: gauge, help: "Last conclusive verdict on the credential or session: 1 accepted, 0 refused. Outages do not change it.", read: func(s *state, e *emitter) {
			e.emitIf(s.Verdict != sessionapi.Inconclusive, truth(s.Verdict == sessionapi.Accepted))
		}},
		{name: "session_auth_timestamp_seconds", kind: gauge, help: "Unix time of the last conclusive verdict, see session_auth_success.", read: func(s *state, e *emitter) {
			e.emitTime(s.VerdictAt)
		}},
		{name: "session_state", kind: gauge, labels: []string{"state"}, help: "State found by the last probe: 1 for that state, 0 for all others.", read: func(s *state, e *emitter) {
			for _, state := range states {
				e.emit(truth(state == s.Result.State), string(state))
			}
		}},
		{name: "session_probes_total", kind: counter, help: "Probes, including those that sent nothing.", read: func(s *state, e *emitter) { e.emit(s.Probes) }},
		{name: "session_probe_failures_total", kind: counter, help: "Probes that did not find a valid session.", read: func(s *state, e *emitter) { e.emit(s.Failures) }},
		{name: "session_last_probe_timestamp_seconds", kind: gauge, help: "Unix time at which the last probe started.", read: func(s *state, e *emitter) { e.emitTime(s.Result.Start) }},
		{name: "session_last_request_timestamp_seconds", kind: gauge, help: "Unix time at which a request was last sent. No sample before the first.", read: func(s *state, e *emitter) { e.emitTime(s.LastRequest) }},
		{name: "session_last_success_timestamp_seconds", kind: gauge, help: "Unix time at which the last probe that found a valid session started.", read: func(s *state, e *emitter) { e.emitTime(s.LastSuccess) }},
		{name: "session_consecutive_failures", kind: gauge, help: "Number of probes since the last valid one.", read: func(s *state, e *emitter) { e.emit(float64(s.ConsecutiveFailures)) }},
		{name: "session_errors_total", kind: counter, labels: []string{"code"}, help: "Responses to checks and logins with an error code of the API. Documented codes start at 0. Once an endpoint has 20 codes, further undocumented ones count as code=\"other\".", read: func(s *state, e *emitter) {
			for _, code := range sortedKeys(s.codes) {
				e.emit(s.codes[code], code)
			}
		}},
		{name: "session_probe_duration_seconds", kind: histogramKind, help: "Duration of probes that attempted a request, including logins and renewals.", read: func(s *state, e *emitter) { e.emitHistogram(&s.duration) }},
		{name: "session_probe_phase_duration_seconds", kind: gauge, labels: []string{"phase"}, help: "Duration of the phases of the last check. On a kept connection, resolve, connect and tls take no time.", read: readPhases},
		{name: "session_http_status_code", kind: gauge, help: "HTTP status of the response to the last probe's last request other than a logout, 0 if there was none.", read: func(s *state, e *emitter) {
			last, _ := s.Result.Last()
			e.emitIf(s.Result.State != sessionapi.Unknown, float64(last.Status))
		}},
	}
}

func sessionFamilies() []family {
	return []family{
		{name: "session_roles", kind: gauge, help: "Number of roles of the session. No sample if the API does not report them.", read: func(s *state, e *emitter) {
			if id := s.Result.Identity; id != nil {
				e.emitIf(id.Roles != nil, float64(len(id.Roles)))
			}
		}},
		{name: "session_organizations", kind: gauge, help: "Number of organizations of the session. No sample if the API does not report them.", read: func(s *state, e *emitter) {
			if id := s.Result.Identity; id != nil {
				e.emitIf(id.Organizations != nil, float64(len(id.Organizations)))
			}
		}},
		{name: "session_role_present", kind: gauge, labels: []string{"role"}, help: "Whether the session has the role, for each role in `expect.roles`.", read: func(s *state, e *emitter) {
			for _, role := range sortedKeys(s.Result.RolesExpected) {
				e.emit(truth(s.Result.RolesExpected[role]), role)
			}
		}},
		{name: "session_info", kind: gauge, labels: []string{"username", "organization", "enterprise", "version"}, help: "User of the session, and version of the API. Always 1.", read: func(s *state, e *emitter) {
			if id := s.Result.Identity; id != nil {
				e.emit(1, id.Username, id.Organization, id.Enterprise, id.Version)
			}
		}},
		{name: "session_negative_control_refused", kind: gauge, help: "Whether the API refused the last impossible token: 1 refused, 0 accepted. No sample before the first verdict, or without `negative_control`.", read: func(s *state, e *emitter) {
			if control := s.Result.NegativeControl; control != nil {
				e.emit(truth(control.Refused))
			}
		}},
		{name: "session_negative_control_timestamp_seconds", kind: gauge, help: "Unix time of the last verdict on an impossible token, see session_negative_control_refused.", read: func(s *state, e *emitter) {
			if control := s.Result.NegativeControl; control != nil {
				e.emitTime(control.Time)
			}
		}},
		{name: "session_clock_skew_seconds", kind: gauge, help: "Clock of the appliance minus clock of the exporter, corrected for the round trip. No sample if no response to the last probe had a plausible time.", read: func(s *state, e *emitter) {
			if s.Result.ClockSkew != nil {
				e.emit(s.Result.ClockSkew.Seconds())
			}
		}},
		{name: "session_tls_certificate_expiry_timestamp_seconds", kind: gauge, help: "Earliest expiry, as Unix time, in the most recently verified certificate chain, or among the certificates presented if none was verified.", read: func(s *state, e *emitter) {
			e.emitTime(s.CertificateExpiry)
		}},
		{name: "session_credential_expiry_timestamp_seconds", kind: gauge, labels: []string{"source"}, help: "Unix time at which the credential or token expires, by source of the information: config, jwt, oauth2 or api.", read: func(s *state, e *emitter) {
			for _, source := range sortedKeys(s.Result.CredentialExpiries) {
				e.emitTime(s.Result.CredentialExpiries[source], source)
			}
		}},
	}
}

func loginFamilies() []family {
	return []family{
		{name: "session_logins_total", kind: counter, help: "Logins sent, including OAuth 2.0 token requests. A login counts once its request was written to a connection.", read: func(s *state, e *emitter) { e.emit(s.Logins) }},
		{name: "session_login_failures_total", kind: counter, help: "Logins sent that failed.", read: func(s *state, e *emitter) { e.emit(s.LoginFailures) }},
		{name: "session_logins_unanswered_total", kind: counter, help: "Logins sent without a response that reveals whether a session exists. Each may have left one on the appliance.", read: func(s *state, e *emitter) { e.emit(s.unanswered) }},
		{name: "session_logouts_total", kind: counter, help: "Logouts accepted by the appliance.", read: func(s *state, e *emitter) { e.emit(s.Logouts) }},
		{name: "session_logout_failures_total", kind: counter, help: "Sessions that were not logged out, because the logout was not accepted or could not be sent, or the API has none. Each may be left on the appliance.", read: func(s *state, e *emitter) { e.emit(s.logoutFailures) }},
		{name: "session_expirations_total", kind: counter, help: "Sessions terminated by the appliance.", read: func(s *state, e *emitter) { e.emit(s.Expirations) }},
		{name: "session_established_timestamp_seconds", kind: gauge, help: "Unix time at which the current session was established. No sample without a session.", read: func(s *state, e *emitter) {
			e.emitTime(s.Result.Established)
		}},
		{name: "session_lifetime_seconds", kind: gauge, help: "Lifetime of the last session terminated by the appliance. No sample before the first.", read: func(s *state, e *emitter) {
			e.emitIf(s.Expirations > 0, s.Lifetime.Seconds())
		}},
		{name: "session_login_suspended", kind: gauge, help: "Whether the state is login_suspended: the lockout guard held back the login, or a pairing's local login or session was refused or forbidden.", read: func(s *state, e *emitter) {
			e.emit(truth(s.Result.State == sessionapi.LoginSuspended))
		}},
		{name: "session_login_resume_timestamp_seconds", kind: gauge, help: "Unix time at which the lockout guard permits the next login. No sample if no login is held back, or if the login only waits for another one.", read: func(s *state, e *emitter) {
			if s.Result.State == sessionapi.LoginSuspended {
				e.emitTime(s.Result.ResumeAt)
			}
		}},
		{name: "session_backoff_resume_timestamp_seconds", kind: gauge, labels: []string{"reason"}, help: "Unix time at which requests resume, by the reason for holding them back: backoff (after failed logins) or retry_after (requested by the appliance). No sample if they are not held back.", read: func(s *state, e *emitter) {
			e.emitTime(s.Result.BackoffUntil, string(probe.ReasonBackoff))
			e.emitTime(s.Result.RetryAfterUntil, string(probe.ReasonRetryAfter))
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
