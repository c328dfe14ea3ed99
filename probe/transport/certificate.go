package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// certificateExpiry returns when a connection's certificate expires: the earliest
// expiry in the verified chain. Of several chains the longest-lasting counts, because one
// is enough. If none was verified, it is the earliest expiry of all presented certificates,
// including those that no chain needs. It is zero without TLS.
func certificateExpiry(state *tls.ConnectionState) time.Time {
	if state == nil {
		return time.Time{}
	}
	var latest time.Time
	for _, chain := range state.VerifiedChains {
		if end := earliestExpiry(chain); end.After(latest) {
			latest = end
		}
	}
	if latest.IsZero() {
		return earliestExpiry(state.PeerCertificates)
	}
	return latest
}

// expiryOfUnverified returns the earliest expiry of the certificates whose verification
// failed, zero for any other error.
func expiryOfUnverified(err error) time.Time {
	if failed, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return earliestExpiry(failed.UnverifiedCertificates)
	}
	return time.Time{}
}

func earliestExpiry(chain []*x509.Certificate) time.Time {
	if len(chain) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}
