// Package probe makes one probe of one session endpoint: it presents itself as
// the operators' automation does, asks the API who it is, and says in one State
// and in words what came of it.
//
// It holds the session between probes, renews one that was refused once, and
// logs out what it does not need any more. It never follows a redirect, never
// sends a secret that its guard withholds, never renews or logs out a session
// that somebody else obtained, and never shows a secret in what it returns. It
// knows neither schedules nor metrics.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session_exporter/config"
)

// Prober probes one endpoint and holds its session. It is not safe for
// concurrent use: an endpoint's probes do not overlap.
type Prober struct {
	endpoint   *config.Endpoint
	api        API
	spec       Spec
	client     *client
	credential *credential

	session  *session // nil when none is held
	patience patience // the guard's, for this endpoint
	pause    pause
	// connectionBorn is when the connection of the last exchange was made.
	connectionBorn time.Time
}

// session is one that we established.
type session struct {
	token       config.Secret
	established time.Time
}

// Factory makes probers, which share what can be shared: a transport for each
// distinct block of connection settings, and one guard for each credential.
type Factory struct {
	clients     map[*config.HTTP]*client
	credentials map[*config.Credential]*credential
}

// NewFactory returns an empty factory. It is not safe for concurrent use.
func NewFactory() *Factory {
	return &Factory{
		clients:     make(map[*config.HTTP]*client),
		credentials: make(map[*config.Credential]*credential),
	}
}

// New returns the prober of an endpoint.
func (f *Factory) New(endpoint *config.Endpoint) (*Prober, error) {
	api, ok := apis[endpoint.API]
	if !ok {
		return nil, fmt.Errorf("endpoint %q: there is no API %q", endpoint.Name, endpoint.API)
	}
	p := &Prober{
		endpoint:   endpoint,
		api:        api,
		spec:       api.Spec(),
		client:     f.clients[endpoint.HTTP],
		credential: f.credentials[endpoint.Credential],
	}
	var err error
	if p.client == nil {
		if p.client, err = newClient(endpoint.HTTP); err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", endpoint.Name, err)
		}
		f.clients[endpoint.HTTP] = p.client
	}
	if p.credential == nil {
		if p.credential, err = newCredential(endpoint.Credential); err != nil {
			return nil, err
		}
		f.credentials[endpoint.Credential] = p.credential
	}
	return p, nil
}

// Probe makes one probe, within the endpoint's timeout. The error is ctx's
// when it was cancelled, and nothing was found then. A deadline of ctx's own is
// no cancellation: it only shortens the timeout.
func (p *Prober) Probe(ctx context.Context) (Result, error) {
	r := &Result{Start: time.Now()}
	timed, cancel := context.WithTimeout(ctx, p.endpoint.Timeout)
	defer cancel()
	found := p.pause.finding()
	if found == nil {
		found = p.find(timed, r)
		p.pause.note(found, p.endpoint.Interval)
	}
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return Result{}, err
	}
	if deadline, ok := timed.Deadline(); ok {
		found.within = deadline.Sub(r.Start)
	}
	r.Duration = time.Since(r.Start)
	r.State = found.state
	r.Diagnosis, r.Advice = explain(found, p.endpoint)
	r.ResumeAt = found.resumeAt
	r.CredentialExpiries = p.credential.expiries()
	if p.session != nil {
		r.Established = p.session.established
	}
	if found.state == Valid || found.state == Unexpected {
		r.Identity = found.reading.Identity
		r.RolesExpected = rolesExpected(p.endpoint.Expect, r.Identity)
	}
	return *r, nil
}

// Close ends the session that is held, if any: it is the end of the prober.
func (p *Prober) Close(ctx context.Context) error {
	if p.session == nil {
		return nil
	}
	return p.logout(ctx, new(Result))
}

// find goes the way that the endpoint authenticates.
func (p *Prober) find(ctx context.Context, r *Result) *finding {
	secret, err := p.credential.load()
	if err != nil && p.session == nil {
		return &finding{state: CredentialMissing, detail: err.Error()}
	}
	switch p.endpoint.Auth {
	case config.AuthBasic:
		return p.findByBasic(ctx, r, secret)
	case config.AuthToken:
		return p.check(ctx, r, tokenProof(p.spec.SessionHeader, secret))
	case config.AuthBearer:
		return p.findByBearer(ctx, r, secret)
	default:
		return p.findBySession(ctx, r, secret, err)
	}
}

// findByBasic sends the password with the check, which is as good as a login.
func (p *Prober) findByBasic(ctx context.Context, r *Result, password config.Secret) *finding {
	judged, withheld := p.admit(ctx, password)
	if withheld != nil {
		return withheld
	}
	found := p.check(ctx, r, basicProof(p.credential.Username, password))
	judged(found.judgement())
	return found
}

// findByBearer presents a bearer token (RFC 6750). One that OAuth 2.0 gave is
// fetched afresh, once, when it is refused.
func (p *Prober) findByBearer(ctx context.Context, r *Result, secret config.Secret) *finding {
	if p.credential.oauth == nil {
		return p.check(ctx, r, bearerProof(secret))
	}
	token, held := p.credential.oauth.held(secret)
	if held {
		found := p.check(ctx, r, bearerProof(token))
		if found.state.Verdict() != Refused {
			return found
		}
		p.credential.oauth.refused(token)
	}
	token, failed := p.fetchToken(ctx, r, secret)
	if failed != nil {
		return failed
	}
	found := p.check(ctx, r, bearerProof(token))
	if found.state.Verdict() == Refused {
		p.credential.oauth.refused(token)
	}
	return found
}

func (p *Prober) fetchToken(ctx context.Context, r *Result, secret config.Secret) (config.Secret, *finding) {
	judged, withheld := p.admit(ctx, secret)
	if withheld != nil {
		return config.Secret{}, withheld
	}
	r.Logins++
	x, reading := p.credential.oauth.fetch(ctx, secret)
	found := p.conclude(r, x, reading, proof{secrets: []config.Secret{secret}})
	judged(found.judgement())
	if found.state == Valid {
		return reading.Token, nil
	}
	r.LoginFailures++
	return config.Secret{}, found
}

// admit asks the guard for leave to send a secret.
func (p *Prober) admit(ctx context.Context, secret config.Secret) (judged func(Verdict), withheld *finding) {
	judged, suspended, err := p.credential.guard.admit(ctx, secret, &p.patience)
	switch {
	case err != nil:
		return nil, &finding{state: LoginSuspended, detail: "until it has been accepted, it is tried by one login at a time, and another one was under way"}
	case suspended != nil:
		return nil, &finding{state: LoginSuspended, suspension: suspended, resumeAt: suspended.until}
	}
	return judged, nil
}

// check asks who we are.
func (p *Prober) check(ctx context.Context, r *Result, proof proof) *finding {
	found := p.exchange(ctx, r, Check, p.api.Call(Check, Account{}), proof)
	if found.state == Valid {
		if different := differences(p.endpoint.Expect, found.reading.Identity); len(different) > 0 {
			found.state, found.differences = Unexpected, different
		}
	}
	return found
}

// exchange sends one request and concludes what its answer means.
func (p *Prober) exchange(ctx context.Context, r *Result, step Step, call Call, proof proof) *finding {
	last := p.connectionEnds()
	x := p.client.do(ctx, request{step: step, call: call, base: p.endpoint.URL, proof: proof, last: last})
	p.connectionBorn = x.connectionBorn
	if last {
		p.connectionBorn = time.Time{}
	}
	var reading Reading
	if x.err == nil && !x.tooLarge {
		reading = p.api.Read(step, x.answer)
	}
	if !headerSafe(reading.Token) {
		reading = Reading{State: InvalidResponse, Why: "its session token has characters that no HTTP header can carry"}
	}
	return p.conclude(r, x, reading, proof)
}

// connectionEnds reports whether the connection will be too old for the probe
// after this one, which may come half an interval late.
func (p *Prober) connectionEnds() bool {
	age, interval := p.endpoint.ConnectionMaxAge, p.endpoint.Interval
	if age <= interval {
		return true
	}
	return !p.connectionBorn.IsZero() && time.Since(p.connectionBorn)+interval+interval/2 > age
}

// conclude classifies an exchange and takes it into the result.
func (p *Prober) conclude(r *Result, x *exchange, reading Reading, proof proof) *finding {
	state := classify(x, reading, p.endpoint.Auth)
	reading.mask(proof)
	reading.clean()
	if !x.unsent {
		r.Steps = append(r.Steps, StepResult{
			Step: x.step, Method: x.method, URL: x.url.Redacted(),
			Status: x.answer.Status, Code: reading.Code, OpID: reading.OperationID,
			Duration: x.end.Sub(x.start), Phases: x.phases,
		})
	}
	if !x.certificateExpiry.IsZero() {
		r.CertificateExpiry = x.certificateExpiry
	}
	if skew, known := x.skew(reading.ServerTime); known {
		r.ClockSkew = &skew
	}
	found := &finding{state: state, x: x, reading: reading, auth: p.endpoint.Auth}
	if state == RateLimited || found.vainLogin() {
		found.retryAfter = retryAfter(x.answer.Header)
	}
	if x.err != nil {
		found.failure = clean(proof.mask(cause(x.err).Error()), maxMessage)
	}
	x.answer.Header, x.answer.Body = nil, nil // a finding may stand for long
	return found
}
