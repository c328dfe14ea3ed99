package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// healthcheckTimeout is how long an exporter may take to respond.
const healthcheckTimeout = 3 * time.Second

// addHealthcheck adds the health check of containers, which have no shell.
func addHealthcheck(app *kingpin.Application, s streams) command {
	cmd := app.Command("healthcheck", "Check whether a running exporter is healthy. Exits with 0 if it is, 1 if not.")
	address := cmd.Flag("url", "The exporter's health URL. Defaults to that of the container's exporter, otherwise "+defaultHealthURL+".").PlaceHolder("<url>").String()
	return func(ctx context.Context) error {
		if *address == "" {
			commandLine, _ := os.ReadFile("/proc/1/cmdline") // exists on Linux only
			*address = healthURL(commandLine)
		}
		if err := healthcheck(ctx, *address); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "Healthy")
		return err
	}
}

// defaultHealthURL is the health URL of an exporter without flags.
const defaultHealthURL = "http://127.0.0.1:10987/-/healthy"

// healthURL returns the health URL of the exporter that a command line runs, in the
// format of /proc/PID/cmdline. An init may precede the program, as in
// "/sbin/docker-init -- /session_exporter".
func healthURL(commandLine []byte) string {
	args := strings.Split(strings.TrimSuffix(string(commandLine), "\x00"), "\x00")
	program := slices.IndexFunc(args, func(arg string) bool { return path.Base(arg) == "session_exporter" })
	if program < 0 {
		return defaultHealthURL
	}
	flags, err := parseServerFlags(args[program+1:])
	if err != nil {
		return defaultHealthURL
	}
	roots, err := flags.rootURLs()
	if err != nil {
		return defaultHealthURL
	}
	return roots[0].JoinPath("/-/healthy").String()
}

func healthcheck(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--url: %w", err)}
	}
	var certificateRequested atomic.Bool // the handshake may continue in the background
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		// The request has no secret, so the server need not be authenticated, and its
		// certificate need not name 127.0.0.1.
		InsecureSkipVerify: true, //nolint:gosec // see above
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificateRequested.Store(true)
			return new(tls.Certificate), nil
		},
	}}}
	response, err := client.Do(request)
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" && certificateRequested.Load() {
		return nil // alive, but requires a client certificate
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // its content does not matter
	// An exporter that requires a password is alive too.
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s responded with %s", address, response.Status)
	}
	return nil
}
