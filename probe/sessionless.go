package probe

import (
	"context"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// basicFlow sends the password with the check, which the guard therefore treats as a login.
type basicFlow struct{ *sender }

func (f *basicFlow) run(ctx context.Context, r *Result) *outcome {
	if q := f.begin(sessionapi.Check, sessionapi.Authorization{}); q != nil {
		return q.run(ctx, r)
	}
	return f.submit(ctx, r, submission{prepare: func(current secret.Secret) *exchange {
		check := f.request(sessionapi.Check, f.call(sessionapi.Check), sessionapi.Basic(f.credential.Username, current))
		check.once = true
		return f.prepare(check)
	}})
}

func (f *basicFlow) presented() presentation { return presentation{} }

// tokenFlow presents a token that was obtained elsewhere. It never renews the token or logs
// it out.
type tokenFlow struct{ *sender }

func (f *tokenFlow) run(ctx context.Context, r *Result) *outcome {
	token, err := f.credential.read()
	if err != nil {
		return missing(f.endpoint, err)
	}
	return f.check(ctx, r, f.authorizeToken(token))
}

func (f *tokenFlow) presented() presentation {
	return presentation{f.credential.lastRead().secret, f.authorizeToken}
}

func (f *tokenFlow) authorizeToken(token secret.Secret) sessionapi.Authorization {
	switch {
	case f.endpoint.Auth == sessionapi.AuthBearer:
		return sessionapi.Bearer(token)
	case f.endpoint.TokenHeader != "":
		return sessionapi.InHeader(f.endpoint.TokenHeader, token)
	default:
		return f.authorize(token)
	}
}
