package probe

import (
	"context"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// oauthFlow presents a bearer token (RFC 6750) that it fetches from an authorization
// server (OAuth 2.0). All endpoints of the account share the token, so a
// prober never revokes it.
type oauthFlow struct {
	*sender
	sessionless
}

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
	token, failed := f.fetchToken(ctx, r)
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

// fetchToken returns a token, fetched with a single request.
func (f *oauthFlow) fetchToken(ctx context.Context, r *Result) (secret.Secret, *outcome) {
	// A server that hangs must not block the other endpoints: fetch regardless
	// after half of the timeout.
	if release := acquireSlot(ctx, f.credential.oauth.fetching, f.endpoint.Timeout/2); release != nil {
		defer release()
	}
	current, unusable := f.currentSecret()
	if unusable != nil {
		return secret.Secret{}, unusable
	}
	if token, ok := f.credential.oauth.tokenFor(current); ok {
		return token, nil // another endpoint fetched it meanwhile
	}
	if limited := f.credential.oauth.activeLimit(f.endpoint); limited != nil {
		return secret.Secret{}, limited
	}
	o := f.submit(ctx, r, submission{prepare: f.credential.oauth.prepare})
	if !o.loginSent() {
		return secret.Secret{}, o
	}
	r.Logins++
	if o.state != sessionapi.Valid {
		r.LoginFailures++
		if o.retryAfter > 0 {
			f.credential.oauth.limit(o)
		}
		return secret.Secret{}, o
	}
	return o.interpretation.Token, nil
}
