package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// healthcheckTimeout is how long a healthy exporter may take to say so.
const healthcheckTimeout = 3 * time.Second

// addHealthcheck adds the command that containers without a shell are checked by.
func addHealthcheck(app *kingpin.Application, s streams) command {
	cmd := app.Command("healthcheck", "Ask a running exporter whether it is healthy; exit with 0 if it is, 1 if not.")
	address := cmd.Flag("url", "Where the exporter says so.").Default("http://127.0.0.1:10987/-/healthy").String()
	return func(ctx context.Context) error {
		if err := healthcheck(ctx, *address); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "Healthy")
		return err
	}
}

func healthcheck(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return &exitError{exitMisused, fmt.Errorf("--url: %w", err)}
	}
	var certificateWanted atomic.Bool // the handshake may go on in the background
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		// Nothing is sent that must stay secret, and nothing is believed but that
		// somebody answers: its certificate need not name 127.0.0.1.
		InsecureSkipVerify: true, //nolint:gosec // see above
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificateWanted.Store(true)
			return new(tls.Certificate), nil
		},
	}}}
	response, err := client.Do(request)
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" && certificateWanted.Load() {
		return nil // who turns away those without a certificate lives
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // what it says does not matter
	// So does who asks for a password.
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s answered %s", address, response.Status)
	}
	return nil
}
