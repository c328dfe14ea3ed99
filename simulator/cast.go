package simulator

import (
	"net/http"
	"time"
)

// user is the one account of every appliance in a fleet.
const user = "monitor"

// A part is one appliance of a fleet before it exists.
type part struct {
	name   string
	story  string // one sentence
	kind   kind
	module string // of the configuration
	base   string // dr: base path; empty: the part is an hcx
	shares string // credential that it shares with others; empty: one of its own
	maxAge string // of its secret, as the configuration writes it; empty: not known

	secret    func(*Appliance) string // makes the secret, and the appliance agree to it or not
	settings  Settings
	forbidden bool // account may not ask
	expired   bool // certificate

	script []step
	period time.Duration // after which the script begins again
}

// A kind says at a glance what to expect of a part.
type kind string

const (
	healthy  kind = "healthy"
	changing kind = "changing" // now well, now not
	broken   kind = "broken"
)

func (p part) dr() bool { return p.base != "" }

// credential names the part's entry in the configuration, and the file of its
// secret. Broken parts have their own, so that a refusal there never suspends
// the healthy ones.
func (p part) credential() string {
	if p.shares != "" {
		return p.shares
	}
	return p.name
}

// cast is all parts, with what they have in common filled in.
func cast() []part {
	parts := append(healthyParts(), append(changingParts(), brokenParts()...)...)
	for i := range parts {
		p := &parts[i]
		account := Account{
			Roles:         []string{"System Administrator", "Appliance Administrator"},
			Organizations: []string{"DEFAULT"},
			Enterprise:    "HybridityAdmin",
			Forbidden:     p.forbidden,
		}
		p.settings.Accounts = map[string]Account{user: account}
		// As HCX's PAM configuration has it. A careful client never gets there.
		p.settings.LockAfter, p.settings.LockFor = 3, time.Minute
	}
	return parts
}

func healthyParts() []part {
	return []part{{
		name: "hcx-healthy", kind: healthy, module: "hcx", shares: "hcx-monitor", secret: goodPassword,
		story: "Healthy; asked in a session that a login created.",
	}, {
		name: "hcx-healthy-basic", kind: healthy, module: "hcx-basic", shares: "hcx-monitor", secret: goodPassword,
		story: "Healthy; every request carries username and password.",
	}, {
		name: "hcx-healthy-bearer", kind: healthy, module: "hcx-bearer", secret: bearerToken, maxAge: "7d",
		story: "Healthy; asked with a bearer token that an SSO server gave for 7 days.",
	}, {
		name: "dr-healthy-srm", kind: healthy, module: "dr", base: "/api/rest/srm/v2", shares: "dr-monitor", secret: goodPassword,
		story: "Healthy Site Recovery Manager.",
	}, {
		name: "dr-healthy-vr", kind: healthy, module: "dr", base: "/api/rest/vr/v2", shares: "dr-monitor", secret: goodPassword,
		story: "Healthy vSphere Replication.",
	}, {
		name: "hcx-clock-off", kind: healthy, module: "hcx", shares: "hcx-monitor", secret: goodPassword,
		story:    "Healthy, but its clock is 10 minutes ahead.",
		settings: Settings{ClockOffset: 10 * time.Minute},
	}}
}

func changingParts() []part {
	return []part{{
		name: "hcx-session-dies", kind: changing, module: "hcx", secret: goodPassword,
		story:  "Ends all sessions every 20 seconds; a new login makes it valid again at once.",
		period: 20 * time.Second,
		script: []step{{20 * time.Second, endSessions}},
	}, {
		name: "hcx-password-rotated", kind: changing, module: "hcx", secret: goodPassword,
		story:  "Gets a new password after 15 of every 90 seconds; the secret file follows only at 60.",
		period: 90 * time.Second,
		script: []step{{15 * time.Second, renewSecret}, {60 * time.Second, publishSecret}},
	}, {
		name: "hcx-token-expires", kind: changing, module: "hcx-token", secret: sessionToken,
		story:    "Is asked with a session token from elsewhere that expires after 25 seconds; the token file gets a new one every 60.",
		settings: Settings{MaxLifetime: 25 * time.Second},
		period:   60 * time.Second,
		script:   []step{{0, renewSecret}, {0, publishSecret}},
	}, {
		name: "hcx-role-lost", kind: changing, module: "hcx-roles", secret: goodPassword,
		story:  "Takes the role System Administrator away after 20 of every 60 seconds, and gives it back at 40.",
		period: 60 * time.Second,
		script: []step{
			{20 * time.Second, setRoles("Appliance Administrator")},
			{40 * time.Second, setRoles("System Administrator", "Appliance Administrator")},
		},
	}, {
		name: "dr-powered-off", kind: changing, module: "dr", base: "/api/rest/srm/v2", secret: goodPassword,
		story:  "Is powered off after 15 of every 45 seconds, and on again at 30.",
		period: 45 * time.Second,
		script: []step{{15 * time.Second, powerOff}, {30 * time.Second, powerOn}},
	}, {
		name: "hcx-internal-error", kind: changing, module: "hcx", secret: goodPassword,
		story:  "Answers 500 INTERNAL_SERVER_ERROR from 10 to 20 of every 40 seconds.",
		period: 40 * time.Second,
		script: []step{
			{10 * time.Second, setFaults(Fault{Code: "INTERNAL_SERVER_ERROR"})},
			{20 * time.Second, setFaults()},
		},
	}, {
		name: "dr-rate-limited", kind: changing, module: "dr", base: "/api/rest/srm/v2", secret: goodPassword,
		story:  "Answers 429 with Retry-After: 10 once every 30 seconds.",
		period: 30 * time.Second,
		script: []step{{10 * time.Second, setFaults(Fault{
			Times:  1,
			Status: http.StatusTooManyRequests,
			Header: map[string]string{"Retry-After": "10"},
		})}},
	}, {
		name: "hcx-hangs", kind: changing, module: "hcx", secret: goodPassword,
		story:  "Takes requests but never answers from 20 to 40 of every 60 seconds.",
		period: 60 * time.Second,
		script: []step{
			{20 * time.Second, setFaults(Fault{Hang: true})},
			{40 * time.Second, setFaults()},
		},
	}}
}

func brokenParts() []part {
	return []part{{
		name: "hcx-forbidden", kind: broken, module: "hcx", secret: goodPassword, forbidden: true,
		story: "Lets the account log in, but not ask: 403 NOT_ENOUGH_PRIVILEGES.",
	}, {
		name: "dr-wrong-password", kind: broken, module: "dr", base: "/api/rest/vr/v2", secret: wrongPassword,
		story: "Has never accepted the password in the secret file.",
	}, {
		name: "dr-slots-exhausted", kind: broken, module: "dr", base: "/api/rest/srm/v2", secret: lastSlotTaken,
		story:    "Has no session slot left: every login gets 503.",
		settings: Settings{MaxSessions: 1},
	}, {
		name: "dr-nobody", kind: broken, module: "dr-token", base: "/api/rest/srm/v1", secret: strayToken,
		story:    "Answers a session token it does not know with 200 {}: nobody is logged in.",
		settings: Settings{NoSession: Reply{Status: http.StatusOK, Body: "{}"}},
	}, {
		name: "hcx-certificate-expired", kind: broken, module: "hcx", secret: goodPassword, expired: true,
		story: "Presents a certificate that expired yesterday.",
	}, {
		name: "hcx-behind-login-page", kind: broken, module: "hcx", secret: goodPassword,
		story: "Is behind a proxy that answers everything with its login page, as 200 HTML.",
		settings: Settings{Faults: []Fault{{
			Status: http.StatusOK,
			Header: map[string]string{"Content-Type": "text/html; charset=utf-8"},
			Body:   "<!DOCTYPE html><title>Sign in</title><form method=post><input name=user></form>\n",
		}}},
	}, {
		name: "dr-behind-sso", kind: broken, module: "dr", base: "/api/rest/srm/v2", secret: goodPassword,
		story: "Is behind a proxy that redirects everything to an SSO host.",
		settings: Settings{Faults: []Fault{{
			Status: http.StatusFound,
			Header: map[string]string{"Location": "https://sso.example.com/login"},
		}}},
	}}
}
