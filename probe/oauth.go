package probe

import (
	"context"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// oauthFlow presents a bearer token (RFC 6750) that it fetches from an authorization
// server (OAuth 2.0). All endpoints of the account share the token, so a
// prober never revokes it.
type oauthFlow struct{ *sender }

// run replaces a token from an earlier probe, once, if it is refused.
func (f *oauthFlow) run(ctx context.Context, r *Result) *outcome {
	current, err := f.credential.read()
	if err != nil {
		return missing(f.endpoint, err)
	}
	if token, ok := f.credential.oauth.tokenFor(current); ok {
		o := f.check(ctx, r, sessionapi.Bearer(token))
		if o.state.Verdict() != sessionapi.Refused {
			return o
		}
		f.credential.oauth.drop(token)
	}
	token, failed := f.fetchToken(ctx, r, current)
	if failed != nil {
		return failed
	}
	o := f.check(ctx, r, sessionapi.Bearer(token))
	if o.state.Verdict() == sessionapi.Refused {
		f.credential.oauth.drop(token)
		return o.withRefusedImmediately()
	}
	return o
}

func (f *oauthFlow) presented() presentation {
	token, _ := f.credential.oauth.tokenFor(f.credential.lastRead().secret)
	return presentation{token, sessionapi.Bearer}
}

// fetchToken returns a new token, fetched with a single request, or the one that another
// endpoint has fetched meanwhile. exchanged is the secret to exchange.
func (f *oauthFlow) fetchToken(ctx context.Context, r *Result, exchanged secret.Secret) (secret.Secret, *outcome) {
	oauth := f.credential.oauth
	// A server that hangs must not block the other endpoints: fetch regardless
	// after half of the timeout, unless that presents a refresh token twice.
	release := acquireSlot(ctx, oauth.slot(exchanged), f.endpoint.Timeout/2)
	if release == nil && oauth.rotates() {
		return secret.Secret{}, queued(f.endpoint, f.backoff.failedWithoutVerdict == 0).with(func(next *outcome) {
			next.reason = "an earlier request with the refresh token has no response yet, and a second one might revoke the token"
		})
	}
	var pending <-chan struct{} // nil unless the response may come after the probe
	defer func() { releaseAfter(pending, release) }()
	current, unusable := f.currentSecret()
	if unusable != nil {
		return secret.Secret{}, unusable
	}
	if token, ok := oauth.tokenFor(current); ok {
		return token, nil // another endpoint fetched it meanwhile
	}
	if limited := oauth.activeLimit(f.endpoint); limited != nil {
		return secret.Secret{}, limited
	}
	sub := submission{prepare: func(current secret.Secret) *exchange {
		return oauth.prepare(current, f.credential.lastRead().client)
	}}
	if oauth.rotates() {
		sub.refreshToken = exchanged // the slot is that of this token
	}
	o := f.submit(ctx, r, sub)
	if !o.loginSent() {
		return secret.Secret{}, o
	}
	if o.pending && oauth.rotates() {
		pending = f.backoff.logins.last().done
	}
	r.Logins++
	if o.state != sessionapi.Valid {
		r.LoginFailures++
		if o.retryAfter > 0 {
			oauth.limit(o)
		}
		return secret.Secret{}, o
	}
	return o.interpretation.Token, nil
}

// releaseAfter releases a slot when the pending login is done, or immediately without one.
func releaseAfter(pending <-chan struct{}, release func()) {
	switch {
	case release == nil:
	case pending == nil:
		release()
	default:
		go func() {
			<-pending
			release()
		}()
	}
}
