package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"session_exporter/config"
)

// drRemote is the session that a session of a disaster-recovery gateway has at the
// other site of a pairing, {base}/pairings/{id}/remote-session. It has no token of
// its own, and ends with the session that it is in.
type drRemote struct {
	dr
	id string
}

// remoteLogin is a Login that gives no token.
const remoteLogin Step = "remote login"

func (d drRemote) Call(step Step, _ Account) Call {
	path := "/pairings/" + url.PathEscape(d.id) + "/remote-session"
	switch step {
	case Login:
		return Call{Method: http.MethodPost, Path: path, Basic: true}
	case Logout:
		return Call{}
	default:
		return Call{Method: http.MethodGet, Path: path}
	}
}

func (d drRemote) Read(step Step, answer Answer) Reading {
	if step == Login {
		step = remoteLogin
	}
	reading := d.dr.Read(step, answer)
	if answer.Status == http.StatusNotFound && reading.Why == "" {
		reading.Why = "the gateway may know no such pairing"
	}
	return reading
}

// findByPairing asks who is logged in at the other site, and logs in there where
// nobody is. The local session comes first in every probe, so that what is refused
// after that is the other site's.
func (p *Prober) findByPairing(ctx context.Context, r *Result) *finding {
	p.local.traced = p.traced
	if found := p.local.findBySession(ctx, r); found.state != Valid {
		found.local = p.local.endpoint
		return found
	}
	session := p.local.session
	found := p.check(ctx, r, p.present(session.token))
	if found.state.Verdict() != Refused {
		return found
	}
	if !session.remote.IsZero() {
		r.expire(session.remote)
		session.remote = time.Time{}
	}
	leave, withheld := p.admit(ctx)
	if withheld != nil {
		return withheld
	}
	if failed := p.loginRemotely(ctx, r, leave); failed != nil {
		return failed
	}
	found = p.check(ctx, r, p.present(session.token))
	if found.refusedAtOnce = found.state.Verdict() == Refused; !found.refusedAtOnce {
		session.remote = time.Now()
	}
	return found
}

// loginRemotely logs the local session in at the other site. It returns nil when
// that was accepted.
func (p *Prober) loginRemotely(ctx context.Context, r *Result, leave *leave) *finding {
	defer leave.end()
	proof := basicProof(p.credential.Username, leave.secret)
	token := p.local.session.token
	proof.also = append(proof.also, presented{drTokenHeader, token})
	proof.secrets = append(proof.secrets, token)
	found := p.submit(ctx, r, p.attempt(p.request(Login, p.call(Login), proof)), leave)
	if found.x.unsent {
		return found
	}
	r.Logins++
	if found.state == Valid {
		return nil
	}
	r.LoginFailures++
	return found
}

// shown is the state of a finding as everybody sees it. That of an endpoint with a
// pairing is about the other site, whose password was not sent where the local
// session was refused.
func (f *finding) shown() State {
	if f.local != nil && f.state.Verdict() != Inconclusive {
		return LoginSuspended
	}
	return f.state
}

// explained says what a finding means, and at which site.
func (p *Prober) explained(f *finding) (diagnosis, advice string) {
	if p.local == nil {
		return explain(f, p.endpoint)
	}
	id := p.endpoint.Pairing.ID
	if f.local == nil {
		diagnosis, advice = explain(f, p.endpoint)
		return fmt.Sprintf("Pairing %q, other site: %s", id, diagnosis), advice
	}
	diagnosis, advice = explain(f, f.local)
	return fmt.Sprintf("Pairing %q: there is no local session to log in to the other site with. %s", id, diagnosis), advice
}

// localOf returns the prober of the session that a pairing's is in, nil where
// there is no pairing.
func (b *Batch) localOf(remote *Prober) *Prober {
	if remote.endpoint.Pairing == nil {
		return nil
	}
	local := *remote
	local.endpoint = remote.endpoint.Pairing.Of(remote.endpoint)
	local.api = apis[local.endpoint.API]
	local.credential = b.credentials[local.endpoint.Credential.Name]
	// Not the other site's, even where both have the same credential.
	local.patience = local.credential.guard.patienceOf(local.endpoint.Name + " (local)")
	return &local
}

// of returns the session as that of another endpoint: of one with a pairing, or of
// the local one in it.
func (s *Session) of(endpoint *config.Endpoint) *Session {
	if s == nil {
		return nil
	}
	own := *s
	own.endpoint = endpoint
	return &own
}
