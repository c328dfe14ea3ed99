package probe

import (
	"net/http"
	"strings"
	"time"

	"session_exporter/config"
)

// presenter is an API whose sessions are presented otherwise than by
// Spec.SessionHeader alone.
type presenter interface {
	present(session config.Secret) proof
}

// presented is a header that authenticates a request.
type presented struct {
	header string // canonical
	value  config.Secret
}

// present returns the proof of a session, or of a token in its place.
func (p *Prober) present(token config.Secret) proof {
	if own, ok := p.api.(presenter); ok {
		return own.present(token)
	}
	return tokenProof(p.sessionHeader, token)
}

// separator stands between the parts of a session that has several. No header
// that was sent has one inside.
const separator = "\t"

// parts returns what a session's token is made of, each a secret of its own.
func parts(token config.Secret) []config.Secret {
	texts := strings.Split(token.Reveal(), separator)
	all := make([]config.Secret, len(texts))
	for i, text := range texts {
		all[i] = config.NewSecret(text)
	}
	return all
}

// noLogout stands for a logout where the API has none.
func noLogout() *finding {
	return &finding{state: Valid, x: &exchange{step: Logout, answer: Answer{Status: http.StatusNoContent}}}
}

// noteExpiry remembers when what is presented ends. A new session begins anew, a
// refusal ends what was known; what an outage does not tell stays.
func (p *Prober) noteExpiry(step Step, state State, end time.Time) {
	switch {
	case step == Check && state.Verdict() == Refused:
		p.expiry = time.Time{} // whatever the answer says of its end: it is over
	case step == Login || !end.IsZero():
		p.expiry = end
	}
}

// expiries returns when the credential ends, by who says so.
func (p *Prober) expiries() map[string]time.Time {
	ends := p.credential.expiries()
	if !p.expiry.IsZero() {
		ends["api"] = p.expiry
	}
	return ends
}
