package collector

import (
	"net/url"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

func withLabels(name string, labels map[string]string) *config.Endpoint {
	e := newEndpoint(name)
	e.Labels = labels
	return e
}

func drEndpoint(name string) *config.Endpoint {
	e := newEndpoint(name)
	e.API, e.URL = "dr", &url.URL{Scheme: "https", Host: "srm-a.example.com", Path: "/api/rest/srm/v2"}
	return e
}

const hostileText = "a\"b\\c\nd{e=\"f\"} 1 # é 世"

func hostile() *config.Endpoint {
	return withLabels("quote\"backslash\\newline\n", map[string]string{"site": hostileText})
}

func hostileResult() probe.Result {
	r := hcxValid()
	r.RolesExpected = map[string]bool{hostileText: true, "": false}
	r.Identity = &probe.Identity{Username: hostileText, Organization: hostileText, Enterprise: "", Version: "\\"}
	r.Steps = []probe.StepResult{{Step: probe.Check, Code: hostileText}, {Step: probe.Check, Code: "other"}}
	r.CredentialExpiries = map[string]time.Time{"api": minute(0)}
	return r
}

// failing are endpoints that each are in another state, named for it.
func failing() []*config.Endpoint {
	var endpoints []*config.Endpoint
	for _, state := range probe.States() {
		if state != probe.Valid && state != probe.Unknown {
			endpoints = append(endpoints, newEndpoint(string(state)))
		}
	}
	return endpoints
}

// failures are what was found of each: a valid session, and a minute later not.
func failures() map[string][]probe.Result {
	answers := map[probe.State]probe.StepResult{
		probe.Unexpected:          {Step: probe.Check, Status: 200},
		probe.Forbidden:           {Step: probe.Check, Status: 403, Code: "NOT_ENOUGH_PRIVILEGES"},
		probe.SessionExpired:      {Step: probe.Check, Status: 401, Code: "INVALID_SESSION_TOKEN"},
		probe.CredentialsRejected: {Step: probe.Login, Status: 401, Code: "INVALID_CREDENTIALS"},
		probe.RateLimited:         {Step: probe.Check, Status: 429},
		probe.BadRequest:          {Step: probe.Check, Status: 400, Code: "BAD_REQUEST"},
		probe.ServerError:         {Step: probe.Check, Status: 200, Code: "INTERNAL_SERVER_ERROR"},
		probe.InvalidResponse:     {Step: probe.Check, Status: 302},
		probe.Unreachable:         {Step: probe.Check},
		probe.TLSFailed:           {Step: probe.Check},
		probe.Timeout:             {Step: probe.Check},
	}
	results := make(map[string][]probe.Result, len(answers))
	for _, e := range failing() {
		state := probe.State(e.Name)
		before, after := hcxValid(), at(1, state)
		if answer, sent := answers[state]; sent {
			after.Steps = []probe.StepResult{answer}
		}
		switch state {
		case probe.Unexpected:
			after.Identity, after.RolesExpected = before.Identity, map[string]bool{"System Administrator": false}
		case probe.LoginSuspended:
			after.ResumeAt = minute(20)
		case probe.RateLimited:
			after.ResumeAt, after.Established = minute(3), before.Established
		case probe.TLSFailed:
			after.CertificateExpiry = minute(-1)
		case probe.Unreachable: // no end, in the words of RFC 5280, 4.1.2.5
			after.CertificateExpiry = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		case probe.SessionExpired:
			after.Expirations, after.Lifetime = 1, 15*time.Minute
		case probe.CredentialsRejected:
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
		State: probe.Valid, Start: minute(0), Duration: 150 * time.Millisecond,
		Steps: []probe.StepResult{
			{Step: probe.Login, Status: 200},
			{Step: probe.Check, Status: 200, OpID: "b1946ac9-2492-4d23-87a6-000000000001", Phases: phases},
		},
		CertificateExpiry:  minute(60 * 24 * 30),
		ClockSkew:          &skew,
		Identity:           &probe.Identity{Username: "monitor@vsphere.local", Organization: "DEFAULT", Enterprise: "HCX", Version: "4.10", Roles: []string{"System Administrator"}, Organizations: []string{"DEFAULT", "OTHER"}},
		RolesExpected:      map[string]bool{"System Administrator": true, "Auditor": false},
		CredentialExpiries: map[string]time.Time{"config": minute(60 * 24 * 90), "jwt": minute(60)},
		Logins:             1,
		Established:        minute(0),
	}
}

func drValid() probe.Result {
	return probe.Result{
		State: probe.Valid, Start: minute(0), Duration: 20 * time.Millisecond,
		Steps:    []probe.StepResult{{Step: probe.Check, Status: 200}},
		Identity: &probe.Identity{Username: "dr@vsphere.local"},
	}
}
