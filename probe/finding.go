package probe

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"session_exporter/config"
)

// finding is a state and all that explains it.
type finding struct {
	state State
	auth  config.Auth
	x     *exchange // the last one, nil when nothing was sent
	// reading is what the answer said, with its texts cleaned.
	reading Reading

	detail        string        // why nothing was sent
	failure       string        // why no complete answer came
	within        time.Duration // what the probe may take
	withheld      string        // the credential that its guard withheld
	suspension    *suspension   // the guard's reason for it
	differences   []string      // from what was expected
	refusedAtOnce bool          // the session refused was just given
	late          []StepResult  // what another probe sent, and was answered too late for it
	// local is set where it is about the local session of an endpoint with a
	// pairing.
	local      *config.Endpoint
	retryAfter time.Duration
	// resumeAt is when something is sent again, zero when that is the next
	// time.
	resumeAt time.Time
}

// vainLogin reports whether a login was sent that came to nothing for another
// reason than a refused password, so that trying again soon would only add to
// the appliance's trouble. A proxy's password is a login too.
func (f *finding) vainLogin() bool {
	if f.x == nil {
		return false
	}
	if f.x.refusedByProxy() {
		return true
	}
	reached := !f.x.written.IsZero()
	return f.refusedAtOnce || ((f.x.step == Login || f.x.step == Token) && reached && f.state.Verdict() != Refused && f.state != Valid)
}

// unanswered reports whether something was sent that may have been a success, and no
// answer came that could be read.
func (f *finding) unanswered() bool {
	unread := f.x.err != nil || f.x.tooLarge
	return unread && !f.x.written.IsZero() && (f.x.answer.Status == 0 || f.x.answer.ok())
}

// judge tells the guard what became of a secret that was sent. A refusal counts
// for the account's sake, whatever else the answer says; a 403 without the API's
// own word for it may be anybody's, and is no acceptance.
func (f *finding) judge(l *leave) {
	said := f.reading.State.Verdict()
	switch {
	case f.x.answer.Status == 0: // nobody answered
	case f.x.answer.Status == http.StatusUnauthorized || said == Refused:
		l.judge(Refused)
	case f.state == Forbidden && said != Accepted:
		l.judge(Inconclusive)
	default:
		l.judge(f.state.Verdict())
	}
}

// answered says in a few words what the answer was.
func (f *finding) answered() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", f.x.answer.Status)
	if f.reading.Code != "" {
		b.WriteString(" " + f.reading.Code)
	}
	if f.reading.Message != "" {
		fmt.Fprintf(&b, ", %q", f.reading.Message)
	}
	return b.String()
}
