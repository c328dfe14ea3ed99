package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/web"
)

// Handler returns the handler of all pages and metrics. It sets the collector, the
// registry, the lifecycle and the logger in the options.
func (e *Exporter) Handler(o web.Options) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(e.collector.ExporterMetrics())
	registry.MustRegister(processCollectors()...)
	o.Collector, o.Registry, o.Lifecycle, o.Logger = e.collector, registry, e, e.logger
	return web.NewHandler(o)
}

// The time limits of a shutdown, which takes at most 5 s. Package collector limits the
// logouts to 3.5 s.
const (
	// maxFollowing limits the wait for a reload in progress, because a file system may hang.
	// It overlaps with the logouts.
	maxFollowing = time.Second
	// maxServing limits the wait for responses in flight, because clients might never read
	// them.
	maxServing = 250 * time.Millisecond
)

// Run probes and serves a handler until ctx is canceled or serve fails. serve blocks
// until the server is shut down. SIGHUP reloads the configuration.
func (e *Exporter) Run(ctx context.Context, handler http.Handler, serve func(*http.Server) error, hangup <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := web.NewServer(handler, e.limits.clients)
	server.ErrorLog = slog.NewLogLogger(serverLog{e.logger.Handler()}, slog.LevelError)
	// Called by each listener before its first request. All of them are open by then.
	ready := sync.OnceFunc(func() { e.notify(daemon.SdNotifyReady) })
	server.BaseContext = func(net.Listener) context.Context {
		ready()
		return context.Background()
	}
	served := make(chan error, 1)
	go func() {
		served <- serve(server)
		stop() // without its port, the exporter must stop probing
	}()
	followTimeout := make(chan struct{})
	context.AfterFunc(ctx, func() {
		e.stopping.Store(true)
		e.notify(daemon.SdNotifyStopping)
		time.AfterFunc(maxFollowing, func() { close(followTimeout) })
	})
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		e.follow(ctx, hangup)
	}()
	left := e.collector.Run(ctx)
	select {
	case <-followed:
	case <-followTimeout:
	}
	if left != nil {
		e.logger.Warn("some sessions may have been left on their appliances", "err", left)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxServing)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		_ = server.Close() // disconnects clients that do not read their responses
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	e.logger.Info("stopped", "sessions_left", left != nil)
	return nil
}

// serverLog adapts the messages of http.Server.
type serverLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l serverLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "TLS handshake error") {
		r.Level = slog.LevelDebug // or any client could flood the log
	}
	if !l.Enabled(ctx, r.Level) {
		return nil
	}
	r.Add("err", r.Message)
	r.Message = "HTTP server error"
	return l.Handler.Handle(ctx, r)
}
