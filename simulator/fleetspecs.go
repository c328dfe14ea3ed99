package simulator

import (
	"net/http"
	"slices"
	"time"
)

// user is the name of the only account of each appliance in a fleet.
const user = "monitor"

// A memberSpec specifies a member of a fleet.
type memberSpec struct {
	name             string
	summary          string // one sentence
	kind             kind
	module           string // of the configuration
	basePath         string // of dr
	sharedCredential string // name of a credential shared with other members; empty: its own
	maxAge           string // of its secret, as in the configuration; empty: unknown

	secret    func(*Appliance) string // configures the appliance and returns a secret, which the appliance need not accept
	settings  Settings
	forbidden bool // the account may not read its own session
	expired   bool // the certificate has expired

	script []step
	period time.Duration // of the script
}

// A kind is the expected behavior of a member.
type kind string

const (
	healthy  kind = "healthy"
	changing kind = "changing" // alternates between healthy and broken
	broken   kind = "broken"
)

// api returns the API of the member's module.
func (s memberSpec) api() string {
	i := slices.IndexFunc(modules(), func(m module) bool { return m.name == s.module })
	return modules()[i].api
}

// credential returns the name of the member's credential in the configuration, and of the
// secret's file. Broken members have credentials of their own, so that their refusals do
// not suspend the healthy ones.
func (s memberSpec) credential() string {
	if s.sharedCredential != "" {
		return s.sharedCredential
	}
	return s.name
}

// fleetSpecs returns the specs of all members, with their common settings.
func fleetSpecs() []memberSpec {
	specs := append(healthySpecs(), append(changingSpecs(), brokenSpecs()...)...)
	for i := range specs {
		s := &specs[i]
		account := Account{
			Roles:         []string{"System Administrator", "Appliance Administrator"},
			Organizations: []string{"DEFAULT"},
			Enterprise:    "HybridityAdmin",
			Forbidden:     s.forbidden,
		}
		s.settings.Accounts = map[string]Account{user: account}
		// As HCX locks local accounts by default, except that a refusal during the lock does
		// not extend it. The exporter's lockout guard prevents a lock.
		s.settings.LockAfter, s.settings.LockFor = 3, time.Minute
	}
	return specs
}

func healthySpecs() []memberSpec {
	return []memberSpec{{
		name: "hcx-healthy", kind: healthy, module: "hcx", sharedCredential: "hcx-monitor", secret: goodPassword,
		summary: "Healthy; checked with a session from a login.",
	}, {
		name: "hcx-healthy-basic", kind: healthy, module: "hcx-basic", sharedCredential: "hcx-monitor", secret: goodPassword,
		summary: "Healthy; every request carries username and password.",
	}, {
		name: "hcx-healthy-bearer", kind: healthy, module: "hcx-bearer", secret: bearerToken, maxAge: "30d",
		summary: "Healthy; checked with a bearer token that an SSO server issued for 30 days.",
	}, {
		name: "dr-healthy-srm", kind: healthy, module: "dr", basePath: "/api/rest/srm/v2", sharedCredential: "dr-monitor", secret: goodPassword,
		summary: "Healthy Site Recovery Manager.",
	}, {
		name: "dr-healthy-vr", kind: healthy, module: "dr", basePath: "/api/rest/vr/v2", sharedCredential: "dr-monitor", secret: goodPassword,
		summary: "Healthy vSphere Replication.",
	}, {
		name: "hcx-clock-off", kind: healthy, module: "hcx", sharedCredential: "hcx-monitor", secret: goodPassword,
		summary:  "Healthy, but its clock is 10 minutes ahead.",
		settings: Settings{ClockOffset: 10 * time.Minute},
	}, {
		name: "hybridity-healthy", kind: healthy, module: "hcx-hybridity", secret: goodPassword,
		summary: "Healthy operations API of HCX; checked by reading the site pairings.",
	}}
}

func changingSpecs() []memberSpec {
	return []memberSpec{{
		name: "hcx-session-dies", kind: changing, module: "hcx", secret: goodPassword,
		summary: "Every 20 s: terminates all sessions; the probe logs in again and stays valid.",
		period:  20 * time.Second,
		script:  []step{{20 * time.Second, endSessions}},
	}, {
		name: "hcx-password-rotated", kind: changing, module: "hcx", secret: goodPassword,
		summary: "Every 300 s: changes its password at 15 s; the secret file follows at 195 s.",
		period:  300 * time.Second,
		script:  []step{{15 * time.Second, renewSecret}, {195 * time.Second, publishSecret}},
	}, {
		name: "hcx-token-expires", kind: changing, module: "hcx-token", secret: sessionToken,
		summary:  "Checked with an external session token that expires after 25 s; the token file gets a new one every 60 s.",
		settings: Settings{MaxLifetime: 25 * time.Second},
		period:   60 * time.Second,
		script:   []step{{0, renewSecret}, {0, publishSecret}},
	}, {
		name: "hcx-role-lost", kind: changing, module: "hcx-roles", secret: goodPassword,
		summary: "Every 60 s: revokes the role System Administrator at 20 s, and grants it again at 40 s.",
		period:  60 * time.Second,
		script: []step{
			{20 * time.Second, setRoles("Appliance Administrator")},
			{40 * time.Second, setRoles("System Administrator", "Appliance Administrator")},
		},
	}, {
		name: "dr-powered-off", kind: changing, module: "dr", basePath: "/api/rest/srm/v2", secret: goodPassword,
		summary: "Every 45 s: is powered off at 15 s, and on again at 30 s.",
		period:  45 * time.Second,
		script:  []step{{15 * time.Second, powerOff}, {30 * time.Second, powerOn}},
	}, {
		name: "hcx-internal-error", kind: changing, module: "hcx", secret: goodPassword,
		summary: "Every 40 s: responds with 500 INTERNAL_SERVER_ERROR from 10 s to 20 s.",
		period:  40 * time.Second,
		script: []step{
			{10 * time.Second, setFaults(Fault{Code: "INTERNAL_SERVER_ERROR"})},
			{20 * time.Second, setFaults()},
		},
	}, {
		name: "dr-rate-limited", kind: changing, module: "dr", basePath: "/api/rest/srm/v2", secret: goodPassword,
		summary: "Every 30 s: responds once with 429 and Retry-After: 10.",
		period:  30 * time.Second,
		script: []step{{10 * time.Second, setFaults(Fault{
			Times:  1,
			Status: http.StatusTooManyRequests,
			Header: map[string]string{"Retry-After": "10"},
		})}},
	}, {
		name: "hcx-hangs", kind: changing, module: "hcx", secret: goodPassword,
		summary: "Every 60 s: accepts requests but does not respond from 20 s to 40 s.",
		period:  60 * time.Second,
		script: []step{
			{20 * time.Second, setFaults(Fault{Hang: true})},
			{40 * time.Second, setFaults()},
		},
	}}
}

func brokenSpecs() []memberSpec {
	return []memberSpec{{
		name: "hcx-forbidden", kind: broken, module: "hcx", secret: goodPassword, forbidden: true,
		summary: "Permits the login but not the check: 403 NOT_ENOUGH_PRIVILEGES.",
	}, {
		name: "dr-wrong-password", kind: broken, module: "dr", basePath: "/api/rest/vr/v2", secret: wrongPassword,
		summary: "Never accepts the password in the secret file.",
	}, {
		name: "dr-slots-exhausted", kind: broken, module: "dr", basePath: "/api/rest/srm/v2", secret: lastSlotTaken,
		summary:  "Has no session slot left: every login gets 503.",
		settings: Settings{MaxSessions: 1},
	}, {
		name: "dr-nobody", kind: broken, module: "dr-token", basePath: "/api/rest/srm/v1", secret: unknownToken,
		summary:  "Responds to an unknown session token with 200 {}: no user is logged in.",
		settings: Settings{NoSession: Response{Status: http.StatusOK, Body: "{}"}},
	}, {
		name: "hcx-certificate-expired", kind: broken, module: "hcx", secret: goodPassword, expired: true,
		summary: "Presents a certificate that expired yesterday.",
	}, {
		name: "hcx-behind-login-page", kind: broken, module: "hcx", secret: goodPassword,
		summary: "Is behind a proxy that responds to every request with its login page, as 200 HTML.",
		settings: Settings{Faults: []Fault{{
			Status: http.StatusOK,
			Header: map[string]string{"Content-Type": "text/html; charset=utf-8"},
			Body:   "<!DOCTYPE html><title>Sign in</title><form method=post><input name=user></form>\n",
		}}},
	}, {
		name: "dr-behind-sso", kind: broken, module: "dr", basePath: "/api/rest/srm/v2", secret: goodPassword,
		summary: "Is behind a proxy that redirects every request to an SSO host.",
		settings: Settings{Faults: []Fault{{
			Status: http.StatusFound,
			Header: map[string]string{"Location": "https://sso.example.com/login"},
		}}},
	}, {
		name: "hybridity-sso-unset", kind: broken, module: "hcx-hybridity", secret: goodPassword,
		summary: "Has no single sign-on: every login gets 500 and an XML error.",
		settings: Settings{Faults: []Fault{{
			On:     Login,
			Status: http.StatusInternalServerError,
			Header: map[string]string{"Content-Type": "application/xml"},
			Body:   "<entries><entry><string>Single sign-on is not configured</string></entry></entries>",
		}}},
	}}
}
