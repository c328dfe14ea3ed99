package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/web"
)

// serverFlags are those of the commands that run the exporter.
type serverFlags struct {
	log           logFlags
	shard         *string
	toolkit       *toolkit.FlagConfig
	telemetryPath *string
	externalURL   *string
	routePrefix   *string
}

// serve runs the exporter until ctx is cancelled, and leaves no session behind.
func (f *serverFlags) serve(ctx context.Context, configFile string, s streams) error {
	shard, err := config.ParseShard(*f.shard)
	if err != nil {
		return &exitError{exitMisused, fmt.Errorf("--shard is %q; it %w", *f.shard, err)}
	}
	logger, err := newLogger(s.err, *f.log.level, *f.log.format)
	if err != nil {
		return err
	}
	logger.Info("starting session_exporter", "version", version.Info(), "build", version.BuildContext())
	// First of all, for a hangup that nobody waits for ends the program.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	exporter := newExporter(configFile, probe.NewFactory(), logger)
	exporter.shard = shard
	limitGarbage()
	exporter.limitFiles(openFiles())
	if err := exporter.load(); err != nil {
		return err
	}
	handler, err := f.handler(exporter)
	if err != nil {
		return &exitError{exitMisused, err}
	}
	return exporter.run(ctx, handler, f.toolkit, hangup)
}

// maxFollowing is how long the end waits for a look at files that is under way: their
// file system may not answer any more.
const maxFollowing = time.Second

// run serves and probes until ctx is cancelled or the server fails.
func (e *exporter) run(ctx context.Context, handler http.Handler, flags *toolkit.FlagConfig, hangup <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := web.NewServer(handler)
	served := make(chan error, 1)
	go func() {
		served <- toolkit.ListenAndServe(server, flags, e.logger)
		stop() // an exporter that nobody can ask must not go on probing
	}()
	context.AfterFunc(ctx, func() { e.stopping.Store(true) })
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		e.follow(ctx, hangup)
	}()
	left := e.watch.Run(ctx)
	select {
	case <-followed:
	case <-time.After(maxFollowing):
	}
	if left != nil {
		e.logger.Warn("some sessions may have been left on their appliances", "err", left)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second/2)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		_ = server.Close() // a scraper that does not let go
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	e.logger.Info("stopped", "sessions_left", left != nil)
	return nil
}

// route returns the prefix of the paths that are served, and the URL under which the
// exporter is reached from outside, nil when that is not known.
func (f *serverFlags) route() (prefix string, external *url.URL, err error) {
	if *f.externalURL == "" {
		return *f.routePrefix, nil, nil
	}
	external, err = url.Parse(*f.externalURL)
	if err != nil || external.Host == "" {
		return "", nil, fmt.Errorf("--web.external-url is %q; it must be a URL such as https://example.com/session_exporter", *f.externalURL)
	}
	return cmp.Or(*f.routePrefix, external.Path), external, nil
}

func (f *serverFlags) handler(e *exporter) (http.Handler, error) {
	prefix, external, err := f.route()
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(e.watch.Own())
	registry.MustRegister(ofTheProcess()...)
	return web.NewHandler(web.Options{
		Collector:     e.watch,
		Registry:      registry,
		TelemetryPath: *f.telemetryPath,
		RoutePrefix:   prefix,
		ExternalURL:   external,
		Lifecycle:     e,
		Logger:        e.logger,
	})
}

// warnOfPlainHTTP tells, once for all, of secrets that go out unencrypted.
func warnOfPlainHTTP(settings *config.Config, logger *slog.Logger) {
	var plain []string
	for _, endpoint := range settings.Endpoints {
		if endpoint.URL.Scheme == "http" {
			plain = append(plain, endpoint.Name)
		}
	}
	for name, credential := range settings.Credentials {
		if credential.OAuth2 != nil && strings.HasPrefix(credential.OAuth2.TokenURL, "http://") {
			plain = append(plain, name+" (token_url)")
		}
		if slices.ContainsFunc(credential.Origins, func(o config.Origin) bool { return o.Scheme == "http" }) {
			plain = append(plain, name+" (origins)")
		}
	}
	if len(plain) > 0 {
		slices.Sort(plain)
		logger.Warn("secrets are sent without encryption; use https", "count", len(plain), "first", plain[0])
	}
}
