package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"session_exporter/sessionapi"
)

// An authority signs certificates, including those of other authorities.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// sign returns a certificate for a key: a server's for the hosts, or another authority's
// without hosts. If a is nil, the certificate is self-signed.
func (a *authority) sign(t *testing.T, name string, key *ecdsa.PrivateKey, end time.Time, hosts ...string) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: end,
		BasicConstraintsValid: true, IsCA: len(hosts) == 0, KeyUsage: x509.KeyUsageCertSign,
	}
	for _, host := range hosts {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(host))
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	issuer, signer := template, key
	if a != nil {
		issuer, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Servers may present more certificates than a chain needs, such as an old cross-signature of
// the root. If a chain is verified, the expiry of the other certificates is not reported.
func TestExpiryOfTheVerifiedChain(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	in := func(days int) time.Time { return now.AddDate(0, 0, days) }
	const years = 2000 // days
	rootKey, issuingKey, leafKey, otherKey := newKey(t), newKey(t), newKey(t), newKey(t)
	root := (*authority)(nil).sign(t, "root", rootKey, in(years))
	other := &authority{(*authority)(nil).sign(t, "other root", otherKey, in(years)), otherKey}
	issuing := func(end time.Time) *authority {
		return &authority{(&authority{root, rootKey}).sign(t, "issuing", issuingKey, end), issuingKey}
	}
	leafOf := func(issuer *authority) *x509.Certificate { return issuer.sign(t, "leaf", leafKey, in(90), "127.0.0.1") }
	cross := func(end time.Time) *x509.Certificate { return other.sign(t, "root", rootKey, end) }
	long, short := issuing(in(years)), issuing(in(5))
	for name, c := range map[string]struct {
		presented []*x509.Certificate
		trusted   []*x509.Certificate
		insecure  bool
		state     sessionapi.State
		expiry    time.Time
	}{
		"an expired cross-signature":   {[]*x509.Certificate{leafOf(long), long.certificate, cross(in(-30))}, []*x509.Certificate{root}, false, sessionapi.Valid, in(90)},
		"an intermediate that expires": {[]*x509.Certificate{leafOf(short), short.certificate, cross(in(-30))}, []*x509.Certificate{root}, false, sessionapi.Valid, in(5)},
		"two intermediates":            {[]*x509.Certificate{leafOf(long), short.certificate, long.certificate}, []*x509.Certificate{root}, false, sessionapi.Valid, in(90)},
		"two roots":                    {[]*x509.Certificate{leafOf(long), long.certificate, cross(in(3))}, []*x509.Certificate{root, other.certificate}, false, sessionapi.Valid, in(90)},
		"a needed cross-signature":     {[]*x509.Certificate{leafOf(long), long.certificate, cross(in(3))}, []*x509.Certificate{other.certificate}, false, sessionapi.Valid, in(3)},
		"not verified":                 {[]*x509.Certificate{leafOf(long), long.certificate, cross(in(-30))}, []*x509.Certificate{root}, true, sessionapi.Valid, in(-30)},
		"an unknown issuer":            {[]*x509.Certificate{leafOf(short), short.certificate}, []*x509.Certificate{other.certificate}, false, sessionapi.TLSFailed, in(5)},
		"an expired intermediate":      {[]*x509.Certificate{leafOf(issuing(in(-1))), issuing(in(-1)).certificate}, []*x509.Certificate{root}, false, sessionapi.TLSFailed, in(-1)},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(reply{status: 200, body: hcxOK})
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			own := tls.Certificate{PrivateKey: leafKey}
			for _, certificate := range c.presented {
				own.Certificate = append(own.Certificate, certificate.Raw)
			}
			server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
			server.StartTLS()
			defer server.Close()
			e := endpointFor("hcx", sessionapi.AuthToken)
			e.URL, _ = url.Parse(server.URL)
			for _, certificate := range c.trusted {
				e.HTTP.TLS.CA += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
			}
			e.HTTP.TLS.InsecureSkipVerify = c.insecure
			p := newProber(t, e)
			for range 2 { // each on its own connection
				if r := mustProbe(t, p); r.State != c.state || !r.CertificateExpiry.Equal(c.expiry) {
					t.Errorf("%s, expires at %s, want %s, at %s: %s", r.State, r.CertificateExpiry, c.state, c.expiry, r.Diagnosis)
				}
				p.client.Transport.CloseIdleConnections()
			}
		})
	}
}

// renewing is an appliance whose certificate can be replaced while it runs. It offers
// TLS sessions and counts the requests on resumed ones.
type renewing struct {
	url         *url.URL
	certificate atomic.Pointer[tls.Certificate]
	resumed     atomic.Int64
	closes      bool // the connection, after each response
}

func newRenewing(t *testing.T, closes bool) *renewing {
	t.Helper()
	a := &renewing{closes: closes}
	server := httptest.NewUnstartedServer(a)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*a.certificate.Load()}}, nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	a.url, _ = url.Parse(server.URL)
	return a
}

func (a *renewing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS.DidResume {
		a.resumed.Add(1)
	}
	if a.closes {
		w.Header().Set("Connection", "close")
	}
	reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
}

// A replaced certificate is noticed on the next connection, however the previous one
// was closed: no TLS session is resumed.
func TestNewConnectionsShowTheCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		closes bool
		age    time.Duration
		adjust func(*Manager)
	}{
		"the appliance closes": {true, time.Hour, func(*Manager) {}},
		"no room to keep it": {false, time.Hour, func(m *Manager) {
			m.SetMaxKept(1)
			other := m.connections.Track(func(context.Context, string, string) (net.Conn, error) { return nil, nil })
			_, _ = other(t.Context(), "", "") // another endpoint's
		}},
		"a connection for each probe": {false, 0, func(*Manager) {}},
	} {
		t.Run(name, func(t *testing.T) {
			rootKey, key := newKey(t), newKey(t)
			root := &authority{(*authority)(nil).sign(t, "root", rootKey, time.Now().AddDate(1, 0, 0)), rootKey}
			a := newRenewing(t, c.closes)
			e := endpointFor("hcx", sessionapi.AuthToken)
			e.URL, e.Interval, e.ConnectionMaxAge = a.url, time.Minute, c.age
			e.HTTP.TLS.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.certificate.Raw}))
			g := generationOf(t, e)
			p := proberOf(t, g, e)
			p.connection.Offset = time.Duration(time.Now().UnixNano()) // its period has just begun
			c.adjust(g.manager)
			for _, days := range []int{30, 30, 60} {
				expiry := time.Now().AddDate(0, 0, days).Truncate(time.Second)
				leaf := root.sign(t, "leaf", key, expiry, "127.0.0.1")
				a.certificate.Store(&tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key})
				if r := mustProbe(t, p); r.State != sessionapi.Valid || !r.CertificateExpiry.Equal(expiry) {
					t.Errorf("%s, expires at %s, want %s: %s", r.State, r.CertificateExpiry, expiry, r.Diagnosis)
				}
			}
			if n := a.resumed.Load(); n > 0 {
				t.Errorf("%d requests on resumed TLS sessions", n)
			}
		})
	}
}
