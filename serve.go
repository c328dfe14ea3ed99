package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/web"
)

// serverFlags are those of the commands that run the exporter.
type serverFlags struct {
	log           logFlags
	toolkit       *toolkit.FlagConfig
	telemetryPath *string
	externalURL   *string
	routePrefix   *string
}

// serve runs the exporter until ctx is cancelled, and leaves no session behind.
func (f *serverFlags) serve(ctx context.Context, configFile string, s streams) error {
	logger, err := newLogger(s.err, *f.log.level, *f.log.format)
	if err != nil {
		return err
	}
	settings, err := config.Load(configFile, probe.APIs())
	if err != nil {
		return err
	}
	logger.Info("starting session_exporter", "version", version.Info(), "build", version.BuildContext())
	watch, err := newCollector(settings, logger)
	if err != nil {
		return err
	}
	var ready atomic.Bool
	handler, err := f.handler(watch, ready.Load, logger)
	if err != nil {
		return &exitError{exitMisused, err}
	}
	warnOfPlainHTTP(settings, logger)
	logger.Info("configuration loaded", "file", settings.File, "endpoints", len(settings.Endpoints), "credentials", len(settings.Credentials))
	ready.Store(true)
	return runServer(ctx, handler, f.toolkit, watch, logger)
}

// runServer serves and probes until ctx is cancelled or the server fails.
func runServer(ctx context.Context, handler http.Handler, flags *toolkit.FlagConfig, watch *collector.Collector, logger *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() {
		served <- toolkit.ListenAndServe(server, flags, logger)
		stop() // an exporter that nobody can ask must not go on probing
	}()
	left := watch.Run(ctx)
	if left != nil {
		logger.Warn("some sessions may have been left on their appliances", "err", left)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second/2)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		_ = server.Close() // a scraper that does not let go
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	logger.Info("stopped", "sessions_left", left != nil)
	return nil
}

// newCollector returns a collector that watches the endpoints of a
// configuration.
func newCollector(settings *config.Config, logger *slog.Logger) (*collector.Collector, error) {
	watch := collector.New(logger)
	factory := probe.NewFactory()
	err := watch.Apply(settings, func(endpoint *config.Endpoint) (collector.Prober, error) {
		return factory.New(endpoint)
	})
	return watch, err
}

func (f *serverFlags) handler(watch *collector.Collector, ready func() bool, logger *slog.Logger) (http.Handler, error) {
	prefix := *f.routePrefix
	if *f.externalURL != "" {
		external, err := url.Parse(*f.externalURL)
		if err != nil || external.Host == "" {
			return nil, fmt.Errorf("--web.external-url is %q; it must be a URL such as https://example.com/session_exporter", *f.externalURL)
		}
		if prefix == "" {
			prefix = external.Path
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		watch,
		versioncollector.NewCollector("session_exporter"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return web.NewHandler(web.Options{
		Registry:      registry,
		Gatherer:      watch.Filter(registry),
		TelemetryPath: *f.telemetryPath,
		RoutePrefix:   prefix,
		Ready:         ready,
		Logger:        logger,
	})
}

func warnOfPlainHTTP(settings *config.Config, logger *slog.Logger) {
	for _, endpoint := range settings.Endpoints {
		if endpoint.URL.Scheme == "http" {
			logger.Warn("credentials are sent without encryption; use https", "endpoint", endpoint.Name, "url", endpoint.URL.String())
		}
	}
}
