package probe

import (
	"context"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// sessionless is embedded in flows that hold no session.
type sessionless struct{}

func (sessionless) close(context.Context, *Result) error { return nil }
func (sessionless) held() *Session                       { return nil }
func (sessionless) hold(*Session)                        {}

// basicFlow sends the password with the check, which therefore counts as a login.
type basicFlow struct {
	*sender
	sessionless
}

func (f *basicFlow) run(ctx context.Context, r *Result) *outcome {
	return f.submit(ctx, r, submission{prepare: func(current secret.Secret) *exchange {
		check := f.request(sessionapi.Check, f.call(sessionapi.Check), sessionapi.Basic(f.credential.Username, current))
		check.once = true
		return f.prepare(check)
	}})
}

// tokenFlow presents a token that was obtained elsewhere. It neither renews nor ends it.
type tokenFlow struct {
	*sender
	sessionless
}

func (f *tokenFlow) run(ctx context.Context, r *Result) *outcome {
	token, err := f.credential.read()
	if err != nil {
		return missing(f.endpoint, err)
	}
	authorization := f.authorize(token)
	switch {
	case f.endpoint.Auth == sessionapi.AuthBearer:
		authorization = sessionapi.Bearer(token)
	case f.endpoint.TokenHeader != "":
		authorization = sessionapi.InHeader(f.endpoint.TokenHeader, token)
	}
	return f.check(ctx, r, authorization)
}
