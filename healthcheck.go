package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
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
	client := http.Client{Transport: &http.Transport{
		// Nothing is sent that must stay secret, and nothing is believed but that
		// somebody answers: its certificate need not name 127.0.0.1.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // what it says does not matter
	// Who asks for a password lives.
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s answered %s", address, response.Status)
	}
	return nil
}
