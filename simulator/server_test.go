package simulator

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// serve serves a handler until the test ends; the client trusts its CA.
func serve(t *testing.T, h http.Handler, opts ServerOptions) (*http.Client, *Server) {
	t.Helper()
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Serve(h, "127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return newClient(t, ca), server
}

func newClient(t *testing.T, ca *CA) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ca.PEM())) {
		t.Fatal("the CA's PEM has no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// status returns the status of a check at a URL.
func status(client *http.Client, url string) (int, error) {
	return send(client, testRequest{method: "GET", path: "/session"}.build(url))
}

// send returns the status of a complete response.
func send(client *http.Client, r *http.Request) (int, error) {
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func TestOffAndOn(t *testing.T) {
	client, server := serve(t, NewDR("", Settings{}), ServerOptions{})
	url := server.URL()
	for round := range 3 {
		// The second request reuses the idle connection of the first.
		for range 2 {
			if got, err := status(client, url); err != nil || got != http.StatusUnauthorized {
				t.Fatalf("round %d, on: status %d, error %v; want 401", round, got, err)
			}
		}
		server.Off()
		server.Off() // no effect
		// The error of the reused connection depends on the transport's state: it may see the
		// reset before, while or after it writes the request.
		if code, err := status(client, url); err == nil {
			t.Errorf("round %d, off: status %d, want an error", round, code)
		}
		if _, err := status(client, url); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("round %d, off: error %v, want a refusal", round, err)
		}
		for range 2 { // the second has no effect
			if err := server.On(); err != nil {
				t.Fatal(err)
			}
		}
		if got := server.URL(); got != url {
			t.Errorf("round %d: URL %s, want %s as before", round, got, url)
		}
	}
}

func TestOffResetsConnections(t *testing.T) {
	_, server := serve(t, NewDR("", Settings{}), ServerOptions{})
	conn, err := tls.Dial("tcp", server.URL()[len("https://"):], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	server.Off()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestOnFailsIfThePortIsTaken(t *testing.T) {
	_, first := serve(t, NewDR("", Settings{}), ServerOptions{})
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := ca.Serve(nil, first.URL()[len("https://"):], ServerOptions{}); err == nil {
		second.Close()
		t.Error("two servers listen on one port")
	}
}

func TestCertificates(t *testing.T) {
	yesterday := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	for _, tc := range []struct {
		name string
		opts ServerOptions
		want func(error) bool
	}{
		{"good", ServerOptions{}, func(err error) bool { return err == nil }},
		{"expired", ServerOptions{NotAfter: yesterday}, func(err error) bool {
			invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
			return ok && invalid.Reason == x509.Expired && invalid.Cert.NotAfter.Equal(yesterday)
		}},
		{"other host", ServerOptions{Hosts: []string{"hcx.example.com"}}, func(err error) bool {
			_, ok := errors.AsType[x509.HostnameError](err)
			return ok
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, server := serve(t, NewDR("", Settings{}), tc.opts)
			if _, err := status(client, server.URL()); !tc.want(err) {
				t.Errorf("unexpected error %v", err)
			}
		})
	}
	t.Run("other CA", func(t *testing.T) {
		_, server := serve(t, NewDR("", Settings{}), ServerOptions{})
		client, _ := serve(t, nil, ServerOptions{})
		_, err := status(client, server.URL())
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
			t.Errorf("error %v, want an unknown authority", err)
		}
	})
}
