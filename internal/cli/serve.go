package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"session_exporter/config"
	"session_exporter/internal/boundedfile"
	"session_exporter/internal/exporter"
	"session_exporter/internal/logging"
	"session_exporter/probe"
	"session_exporter/web"
)

func addServe(app *kingpin.Application, s streams) command {
	cmd := app.Command("serve", "Run the exporter.").Default()
	files := addConfigFlag(cmd).Strings()
	check := cmd.Flag("config.check", "Load the configuration, then exit: with 0 if it is valid, 2 if not.").Bool()
	flags := addServerFlags(cmd, serveAddress)
	return func(ctx context.Context) error {
		flags.checkOnly = *check
		return flags.serve(ctx, *files, s)
	}
}

// The default listen addresses of the commands that run the exporter.
const (
	serveAddress = ":10987"
	demoAddress  = "127.0.0.1:10987"
)

func addServerFlags(cmd *kingpin.CmdClause, listenAddress string) *serverFlags {
	return &serverFlags{
		logLevel:      oneOf(cmd.Flag("log.level", "Minimum severity of logged messages. One of: debug, info, warn, error.").Default("info"), "debug", "info", "warn", "error"),
		logFormat:     oneOf(cmd.Flag("log.format", "Output format of log messages. One of: logfmt, json.").Default(logging.Logfmt), logging.Logfmt, logging.JSON),
		shard:         cmd.Flag("shard", "Probe only one shard of the endpoints: i/n is shard i of n, counted from 0.").PlaceHolder("<i/n>").String(),
		toolkit:       kingpinflag.AddFlags(cmd, listenAddress),
		telemetryPath: cmd.Flag("web.telemetry-path", "Path under which to expose metrics.").Default("/metrics").String(),
		externalURL:   cmd.Flag("web.external-url", "URL at which clients reach the exporter, if a reverse proxy serves it under another path.").PlaceHolder("<url>").String(),
		hosts:         cmd.Flag("web.hosts", "Host name that requests may use, in addition to IP addresses and localhost; other names get 421. Repeatable or comma-separated. By default every name is accepted.").PlaceHolder("<name>").Strings(),
		lifecycle:     cmd.Flag("web.enable-lifecycle", "Enable /-/reload, /-/resume and /-/probe, which change the exporter's state.").Default("true").Bool(),
		routePrefix:   cmd.Flag("web.route-prefix", "Prefix of all paths served. Defaults to the path of --web.external-url.").PlaceHolder("<path>").String(),
	}
}

// serverFlags are the flags of the commands that run the exporter.
type serverFlags struct {
	logLevel      *string
	logFormat     *string
	shard         *string
	toolkit       *toolkit.FlagConfig
	telemetryPath *string
	externalURL   *string
	routePrefix   *string
	hosts         *[]string
	lifecycle     *bool
	checkOnly     bool // load the configuration, and do not run
}

// parseServerFlags parses the arguments of a command that runs the exporter.
func parseServerFlags(args []string) (*serverFlags, error) {
	app := kingpin.New("session_exporter", "").Terminate(nil).UsageWriter(io.Discard)
	serve, demo := app.Command("serve", "").Default(), app.Command("demo", "")
	addConfigFlag(serve).Strings()
	flags := map[string]*serverFlags{"serve": addServerFlags(serve, serveAddress), "demo": addServerFlags(demo, demoAddress)}
	command, err := app.Parse(args)
	return flags[command], err
}

// serve runs the exporter until ctx is canceled, or only loads its configuration.
func (f *serverFlags) serve(ctx context.Context, configFiles []string, s streams) error {
	shard, err := config.ParseShard(*f.shard)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--shard is %q; it %w", *f.shard, err)}
	}
	logger, err := logging.New(s.err, *f.logLevel, *f.logFormat)
	if err != nil {
		return err
	}
	if err := checkWebConfig(*f.toolkit.WebConfigFile); err != nil {
		return err
	}
	logger.Info("starting session_exporter", "version", version.Info(), "build", version.BuildContext())
	// Before loading, because an unhandled SIGHUP would kill the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	exporter.LimitGarbage()
	e := exporter.New(configFiles, shard, probe.NewManager(), logger)
	switch err := e.Load(ctx); {
	case errors.Is(err, context.Canceled):
		logger.Info("stopped while loading the configuration")
		return nil
	case err != nil:
		if found, ok := errors.AsType[config.Problems](err); ok && config.Missing(found) {
			found[0].Text += " with --config.file"
		}
		return &exitError{exitUsage, err}
	}
	handler, err := f.handler(e)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if f.checkOnly {
		return nil
	}
	serve := func(server *http.Server) error { return toolkit.ListenAndServe(server, f.toolkit, logger) }
	return e.Run(ctx, handler, serve, hangup)
}

// maxWebConfig limits the size in bytes of a web configuration.
const maxWebConfig = 16 << 20

// checkWebConfig checks a web configuration. It first rejects a pipe, which may never reach
// EOF, and a file larger than maxWebConfig, because exporter-toolkit would read both.
// Exporter-toolkit then checks the contents.
func checkWebConfig(file string) error {
	if file == "" {
		return nil
	}
	if _, err := boundedfile.Read(file, maxWebConfig); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--web.config.file: %w", err)}
	}
	if err := toolkit.Validate(file); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--web.config.file: %s: %w", file, err)}
	}
	return nil
}

// route returns the prefix of the paths served, and the URL at which clients reach the
// exporter, nil if unknown.
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

func (f *serverFlags) handler(e *exporter.Exporter) (http.Handler, error) {
	prefix, external, err := f.route()
	if err != nil {
		return nil, err
	}
	return e.Handler(web.Options{
		TelemetryPath: *f.telemetryPath,
		RoutePrefix:   prefix,
		ExternalURL:   external,
		Hosts:         *f.hosts,
		ReadOnly:      !*f.lifecycle,
	})
}
