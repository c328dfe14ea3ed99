package probe

import (
	"context"
	"time"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// remoteFlow checks the session at the other site of a pairing, which is inside a local
// session, and logs in there if the other site has none. Each probe checks the local session
// first, so that any later refusal is the other site's.
type remoteFlow struct {
	*sender
	local *sessionFlow
}

func (f *remoteFlow) run(ctx context.Context, r *Result) *outcome {
	if o := f.local.run(ctx, r); o.state != sessionapi.Valid {
		return o
	}
	session := f.local.session
	o := f.check(ctx, r, f.authorize(session.token))
	if o.state.Verdict() != sessionapi.Refused {
		return o
	}
	if !session.remote.IsZero() {
		r.countExpiration(session.remote)
		session.remote = time.Time{}
	}
	if failed := f.login(ctx, r); failed != nil {
		return failed
	}
	o = f.check(ctx, r, f.authorize(session.token))
	if o.state.Verdict() == sessionapi.Refused {
		return o.withRefusedImmediately()
	}
	session.remote = time.Now()
	return o
}

// login logs the local session in at the other site. It returns nil if that was accepted.
// It establishes no session of its own: logging out of the local one ends both.
func (f *remoteFlow) login(ctx context.Context, r *Result) *outcome {
	token := f.local.session.token
	o := f.submit(ctx, r, submission{prepare: func(current secret.Secret) *exchange {
		return f.prepare(f.request(sessionapi.Login, f.call(sessionapi.Login), sessionapi.RemoteLogin(f.credential.Username, current, token)))
	}})
	if !o.loginSent() {
		return o
	}
	r.Logins++
	if o.state == sessionapi.Valid {
		return nil
	}
	r.LoginFailures++
	return o
}

// presented returns the token of the local session, within which the remote one is checked.
func (f *remoteFlow) presented() presentation {
	return presentation{f.local.session.token, f.authorize}
}
