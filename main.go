// Session_exporter is the Prometheus exporter that tells, before automation
// fails, that a session, token or password against a management API is expired,
// broken or about to be.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"session_exporter/config"
	"session_exporter/probe"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitMisused = 2
)

func main() {
	// Who reads what we print may end before us, and must not take us along: there
	// are sessions to log out of.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitError is an error that ends the program with a code of its own. Without
// an error inside, everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run is the program: it returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := kingpin.New("session_exporter", "Watches sessions, tokens and passwords against management APIs, for Prometheus.")
	app.Version(version.Print("session_exporter"))
	app.HelpFlag.Short('h')
	app.UsageWriter(stdout)
	app.ErrorWriter(stderr)
	// Help and version end the program from within the parser.
	var ended *int
	app.Terminate(func(code int) { ended = &code })

	s := streams{stdout, stderr}
	commands := map[string]command{
		"serve":        addServe(app, s),
		"probe":        addProbe(app, s),
		"apis":         addAPIs(app, s),
		"check-config": addCheckConfig(app, s),
		"demo":         addDemo(app, s),
		"simulate":     addSimulate(app, s),
		"healthcheck":  addHealthcheck(app, s),
	}
	name, err := app.Parse(args)
	switch {
	case ended != nil:
		return *ended
	case err != nil:
		fmt.Fprintf(stderr, "session_exporter: %v; try --help\n", err)
		return exitMisused
	}
	return exitCode(commands[name](ctx), stderr)
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err == nil {
			return exit.code
		}
		code = exit.code
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		fmt.Fprintln(stderr, problems) // each names its file; editors follow that
		return code
	}
	fmt.Fprintf(stderr, "session_exporter: %v\n", err)
	return code
}

// command does what the user asked for, until it is done or ctx is cancelled.
type command func(ctx context.Context) error

// streams are where a command writes.
type streams struct{ out, err io.Writer }

// logFlags say what is logged, and how.
type logFlags struct{ level, format *string }

func addConfigFlag(cmd *kingpin.CmdClause) *string {
	return cmd.Flag("config.file", "Path to the configuration file.").Default("session_exporter.yml").String()
}

func addLogFlags(cmd *kingpin.CmdClause) logFlags {
	return logFlags{
		level:  cmd.Flag("log.level", "Only log messages with the given severity or above. One of: debug, info, warn, error.").Default("info").Enum("debug", "info", "warn", "error"),
		format: cmd.Flag("log.format", "Output format of log messages. One of: logfmt, json.").Default(logfmtFormat).Enum(logfmtFormat, jsonFormat),
	}
}

func addServe(app *kingpin.Application, s streams) command {
	cmd := app.Command("serve", "Run the exporter.").Default()
	flags := addServerFlags(cmd, ":10987")
	file := addConfigFlag(cmd)
	return func(ctx context.Context) error { return flags.serve(ctx, *file, s) }
}

func addCheckConfig(app *kingpin.Application, s streams) command {
	cmd := app.Command("check-config", "Check a configuration file and show every error in it.")
	file := cmd.Arg("file", "Path to the configuration file.").Required().String()
	return func(context.Context) error {
		loaded, err := config.Load(*file, probe.APIs())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s is valid: %d endpoints, %d credentials.\n", *file, len(loaded.Endpoints), len(loaded.Credentials))
		for _, key := range idlePatterns(loaded) {
			fmt.Fprintf(s.err, "%s: %s: warning: %s\n", *file, key, deniesNothing)
		}
		return err
	}
}

func addServerFlags(cmd *kingpin.CmdClause, listenAddress string) *serverFlags {
	return &serverFlags{
		log:           addLogFlags(cmd),
		shard:         cmd.Flag("shard", "Watch only a share of the endpoints: i/n is the i-th of n, counted from 0.").PlaceHolder("<i/n>").String(),
		toolkit:       kingpinflag.AddFlags(cmd, listenAddress),
		telemetryPath: cmd.Flag("web.telemetry-path", "Path under which to expose metrics.").Default("/metrics").String(),
		externalURL:   cmd.Flag("web.external-url", "URL under which the exporter is reached from outside, if a proxy serves it elsewhere than at the root.").PlaceHolder("<url>").String(),
		routePrefix:   cmd.Flag("web.route-prefix", "Prefix of the paths that are served. Defaults to the path of --web.external-url.").PlaceHolder("<path>").String(),
	}
}
