package probe

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"session_exporter/config"
)

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

// expiries returns when the credential ends, by who says so.
func (c *credential) expiries() map[string]time.Time {
	ends := make(map[string]time.Time, 1)
	last := c.lastRead()
	switch {
	case !c.Expires.IsZero():
		ends["config"] = c.Expires
	case c.MaxAge > 0 && c.Secret.File != "" && !last.changed.IsZero():
		ends["config"] = last.changed.Add(c.MaxAge)
	}
	if c.Auth == config.AuthToken && !last.tokenEnd.IsZero() {
		ends["jwt"] = last.tokenEnd
	}
	if c.oauth != nil {
		if end := c.oauth.expiry(); !end.IsZero() {
			ends["oauth2"] = end
		}
	}
	return ends
}

// jwtExpiry returns the `exp` claim (RFC 7519, 4.1.4) of a token that is a JWT,
// zero for any other. The signature is the appliance's to verify.
func jwtExpiry(token config.Secret) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token.Reveal(), &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}
	}
	return unixMilli(float64(claims.ExpiresAt.Unix()) * 1000) // a float, for what no integer holds
}
