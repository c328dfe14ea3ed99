package collector

import (
	"net/url"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func withLabels(name string, labels map[string]string) *config.Endpoint {
	e := newEndpoint(name)
	e.Labels = labels
	return e
}

func drEndpoint(name string) *config.Endpoint {
	e := newEndpoint(name)
	e.API, e.SessionAPI, e.URL = "dr", sessionapi.BuiltIn()["dr"], &url.URL{Scheme: "https", Host: "srm-a.example.com", Path: "/api/rest/srm/v2"}
	return e
}

const hostileText = "a\"b\\c\nd{e=\"f\"} 1 # é 世"

func hostile() *config.Endpoint {
	return withLabels("quote\"backslash\\newline\n", map[string]string{"site": hostileText})
}

func hostileResult() probe.Result {
	r := hcxValid()
	r.RolesExpected = map[string]bool{hostileText: true, "": false}
	r.Identity = &sessionapi.Identity{Username: hostileText, Organization: hostileText, Enterprise: "", Version: "\\"}
	r.Steps = []probe.StepResult{{Step: sessionapi.Check, Code: hostileText}, {Step: sessionapi.Check, Code: "other"}}
	r.CredentialExpiries = map[string]time.Time{"api": minute(0)}
	return r
}

// failing returns an endpoint for each state but valid and unknown, named after it.
func failing() []*config.Endpoint {
	var endpoints []*config.Endpoint
	for _, state := range sessionapi.States() {
		if state != sessionapi.Valid && state != sessionapi.Unknown {
			endpoints = append(endpoints, newEndpoint(string(state)))
		}
	}
	return endpoints
}

// failures returns the results of each of them: a valid session, and a failure a minute later.
func failures() map[string][]probe.Result {
	steps := map[sessionapi.State]probe.StepResult{
		sessionapi.Unexpected:          {Step: sessionapi.Check, Status: 200},
		sessionapi.Forbidden:           {Step: sessionapi.Check, Status: 403, Code: "NOT_ENOUGH_PRIVILEGES"},
		sessionapi.SessionExpired:      {Step: sessionapi.Check, Status: 401, Code: "INVALID_SESSION_TOKEN"},
		sessionapi.CredentialsRejected: {Step: sessionapi.Login, Status: 401, Code: "INVALID_CREDENTIALS"},
		sessionapi.RateLimited:         {Step: sessionapi.Check, Status: 429},
		sessionapi.BadRequest:          {Step: sessionapi.Check, Status: 400, Code: "BAD_REQUEST"},
		sessionapi.ServerError:         {Step: sessionapi.Check, Status: 200, Code: "INTERNAL_SERVER_ERROR"},
		sessionapi.InvalidResponse:     {Step: sessionapi.Check, Status: 302},
		sessionapi.Unreachable:         {Step: sessionapi.Check},
		sessionapi.TLSFailed:           {Step: sessionapi.Check},
		sessionapi.Timeout:             {Step: sessionapi.Check},
	}
	responded := func(r *probe.Result) { r.LastRequest, r.Attempted = r.Start.Add(time.Second/2), true }
	results := make(map[string][]probe.Result, len(steps))
	for _, e := range failing() {
		state := sessionapi.State(e.Name)
		before, after := hcxValid(), at(1, state)
		if step, sent := steps[state]; sent {
			after.Steps = []probe.StepResult{step}
			responded(&after)
		}
		switch state {
		case sessionapi.Unexpected:
			after.Identity, after.RolesExpected = before.Identity, map[string]bool{"System Administrator": false}
		case sessionapi.LoginSuspended:
			after.ResumeAt = minute(20)
		case sessionapi.RateLimited:
			after.ResumeAt, after.RetryAfterUntil, after.Established = minute(3), minute(3), before.Established
		case sessionapi.ServerError:
			after.BackoffUntil = minute(2)
		case sessionapi.TLSFailed:
			after.CertificateExpiry = minute(-1)
		case sessionapi.Unreachable: // no expiry, see RFC 5280, section 4.1.2.5
			after.CertificateExpiry = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		case sessionapi.SessionExpired:
			after.Expirations, after.Lifetime = 1, 15*time.Minute
		case sessionapi.CredentialsRejected:
			after.Logins, after.LoginFailures = 1, 1
		}
		results[e.Name] = []probe.Result{before, after}
	}
	return results
}

func hcxValid() probe.Result {
	skew := -1500 * time.Millisecond
	phases := probe.Phases{Resolve: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 30 * time.Millisecond, Processing: 40 * time.Millisecond, Transfer: time.Millisecond / 2}
	return probe.Result{
		State: sessionapi.Valid, Start: minute(0), Duration: 150 * time.Millisecond,
		Steps: []probe.StepResult{
			{Step: sessionapi.Login, Status: 200},
			{Step: sessionapi.Check, Status: 200, OpID: "b1946ac9-2492-4d23-87a6-000000000001", Phases: phases},
		},
		CertificateExpiry:  minute(60 * 24 * 30),
		ClockSkew:          &skew,
		Identity:           &sessionapi.Identity{Username: "monitor@vsphere.local", Organization: "DEFAULT", Enterprise: "HCX", Version: "4.10", Roles: []string{"System Administrator"}, Organizations: []string{"DEFAULT", "OTHER"}},
		RolesExpected:      map[string]bool{"System Administrator": true, "Auditor": false},
		CredentialExpiries: map[string]time.Time{"config": minute(60 * 24 * 90), "jwt": minute(60)},
		Logins:             1,
		Established:        minute(0),
		Attempted:          true,
		LastRequest:        minute(0).Add(100 * time.Millisecond),
		NegativeControl:    &probe.NegativeControl{Time: minute(-30), Refused: true},
	}
}

func drValid() probe.Result {
	return probe.Result{
		State: sessionapi.Valid, Start: minute(0), Duration: 20 * time.Millisecond,
		Steps:    []probe.StepResult{{Step: sessionapi.Check, Status: 200}},
		Identity: &sessionapi.Identity{Username: "dr@vsphere.local"},
	}
}
