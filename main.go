// Session_exporter is a Prometheus exporter. It warns before automation breaks: when a
// password, token or session for a management API is rejected or about to expire.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"session_exporter/internal/cli"
)

func main() {
	// Ignore SIGPIPE: a closed stdout must not kill us before we have logged out.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
