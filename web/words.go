package web

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"session_exporter/probe"
)

// stateView is a state as pages show it: by its name, and by a shape and a colour
// for its kind, so that nobody has to tell colours apart.
type stateView struct {
	Name    probe.State
	Kind    string
	Meaning string
}

// The kinds of states. Each has an icon and a colour of this name.
const (
	kindOK       = "ok"
	kindDenied   = "denied"   // logged in, and not as it should be
	kindRefused  = "refused"  // not logged in
	kindWithheld = "withheld" // nothing was sent
	kindTrouble  = "trouble"  // no good answer
	kindUnknown  = "unknown"
)

func viewOf(state probe.State) stateView {
	view := func(kind, meaning string) stateView { return stateView{state, kind, meaning} }
	switch state {
	case probe.Valid:
		return view(kindOK, "The API named an authenticated session, and it is as expected.")
	case probe.Unexpected:
		return view(kindDenied, "Authenticated, but user, roles or organizations differ from what is expected.")
	case probe.Forbidden:
		return view(kindDenied, "Authenticated, but not allowed to ask.")
	case probe.SessionExpired:
		return view(kindRefused, "The session or token was refused, or nobody is logged in.")
	case probe.CredentialsRejected:
		return view(kindRefused, "The login was refused.")
	case probe.LoginSuspended:
		return view(kindWithheld, "The lockout guard withheld the login; nothing was sent.")
	case probe.CredentialMissing:
		return view(kindWithheld, "The secret cannot be read or is empty; nothing was sent.")
	case probe.RateLimited:
		return view(kindWithheld, "The appliance is asked too often, and wants us to wait.")
	case probe.BadRequest:
		return view(kindTrouble, "The API calls the request malformed.")
	case probe.ServerError:
		return view(kindTrouble, "The appliance reports an error of its own.")
	case probe.InvalidResponse:
		return view(kindTrouble, "The answer is not this API's.")
	case probe.Unreachable:
		return view(kindTrouble, "No connection to the appliance.")
	case probe.TLSFailed:
		return view(kindTrouble, "No trusted connection: handshake or certificate.")
	case probe.Timeout:
		return view(kindTrouble, "No complete answer in time.")
	default:
		return view(kindUnknown, "Not probed yet.")
	}
}

// verdictInWords is empty while there was no conclusive one.
func verdictInWords(verdict probe.Verdict) string {
	switch verdict {
	case probe.Accepted:
		return "accepted"
	case probe.Refused:
		return "refused"
	default:
		return ""
	}
}

// moment is a time as seen from now.
type moment struct{ at, now time.Time }

// Known reports whether there is such a time.
func (m moment) Known() bool { return !m.at.IsZero() }

// ISO is for machines.
func (m moment) ISO() string { return m.at.UTC().Format(time.RFC3339) }

// Full is the time for people.
func (m moment) Full() string { return m.at.UTC().Format("2006-01-02 15:04:05 UTC") }

// Short is Full where the zone is said elsewhere.
func (m moment) Short() string { return m.at.UTC().Format(time.DateTime) }

// Relative is how long ago it was, or how soon it is.
func (m moment) Relative() string {
	switch d := m.at.Sub(m.now); {
	case d >= time.Second:
		return "in " + span(d)
	case d > -time.Second:
		return "now"
	default:
		return span(-d) + " ago"
	}
}

// Span is how long it takes, or has been.
func (m moment) Span() string { return span(m.now.Sub(m.at).Abs()) }

// Past reports whether it is over.
func (m moment) Past() bool { return m.at.Before(m.now) }

// span says a duration in its largest unit, and in two where one is coarse.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(big, small time.Duration, bigUnit, smallUnit string) string {
		text := fmt.Sprintf("%d %s", d/big, bigUnit)
		if rest := d % big / small; rest > 0 && d/big < 10 {
			text += fmt.Sprintf(" %d %s", rest, smallUnit)
		}
		return text
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(time.Minute, time.Second, "min", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "min")
	default:
		return two(day, time.Hour, "d", "h")
	}
}

// latency says how long something took, in three digits.
func latency(d time.Duration) string {
	number, unit := float64(d)/float64(time.Millisecond), "ms"
	if d >= time.Second {
		number, unit = d.Seconds(), "s"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(max(number, 0.1)))))
	return strconv.FormatFloat(number, 'f', min(digits, 2), 64) + " " + unit
}

// counted is a number and its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
