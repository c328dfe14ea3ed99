package sessionapi

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"session_exporter/secret"
)

// JWTExpiry returns the `exp` claim (RFC 7519, 4.1.4) of a token that is a JWT,
// zero for any other. The signature is the appliance's to verify.
func JWTExpiry(token secret.Secret) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token.Reveal(), &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}
	}
	return ClockTime(float64(claims.ExpiresAt.Unix()) * 1000) // a float, because the value may overflow an integer
}
