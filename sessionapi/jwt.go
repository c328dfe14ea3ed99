package sessionapi

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"session_exporter/secret"
)

// JWTExpiry returns the `exp` claim (RFC 7519, 4.1.4) of a token that is a JWT,
// zero for any other. It does not verify the signature, which the appliance does.
func JWTExpiry(token secret.Secret) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token.Reveal(), &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}
	}
	return ClockTime(float64(claims.ExpiresAt.Unix()) * 1000) // a float, because the value may overflow an integer
}

// KeyProblem describes why a key cannot sign a JWT, empty if it can.
func KeyProblem(key secret.Secret) string {
	if _, err := SignJWT(key, jwt.SigningMethodRS512.Name, "", nil); err != nil {
		return err.Error()
	}
	return ""
}

// SignJWT returns a JWT (RFC 7519) signed by an RSA key in PEM format. Its errors do not
// quote the key.
func SignJWT(key secret.Secret, algorithm, keyID string, claims map[string]any) (secret.Secret, error) {
	private, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(key.Reveal()))
	if err != nil {
		return secret.Secret{}, errors.New("is not an unencrypted RSA private key in PEM format")
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), jwt.MapClaims(claims))
	if keyID != "" {
		token.Header["kid"] = keyID
	}
	signed, err := token.SignedString(private)
	if err != nil {
		return secret.Secret{}, errors.New("cannot sign; use an RSA key of 2048 bits or more")
	}
	return secret.New(signed), nil
}
