// Package cli implements the program's commands, with their flags, output and exit codes.
// It probes only through package collector.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"

	"session_exporter/config"
	"session_exporter/internal/logging"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// exitError is an error with an exit code. Nothing is printed if err is nil.
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

// Run runs the command that the arguments name until it is done or ctx is canceled, and
// returns the exit code: 0 for success, 1 for failure, 2 for invalid flags or configuration.
// For check-config, an invalid configuration is a failure.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return run(ctx, args, newStreams(stdout, stderr))
}

func run(ctx context.Context, args []string, s streams) int {
	app := kingpin.New("session_exporter", "Prometheus exporter that monitors sessions, tokens and passwords of management APIs.")
	build := version.Print("session_exporter")
	app.Version(build)
	app.HelpFlag.Short('h').Help("Show this help. After a command, show the command's flags.")
	app.UsageTemplate(usageTemplate)
	app.UsageFuncs(manFuncs)
	app.UsageWriter(s.out)
	app.ErrorWriter(s.err)
	// The parser terminates the program after printing the help or the version.
	var terminated *int
	app.Terminate(func(code int) { terminated = &code })

	commands := map[string]command{
		"serve":        addServe(app, s),
		"probe":        addProbe(app, s),
		"init":         addInit(app, s),
		"check-config": addCheckConfig(app, s),
		"apis":         addAPIs(app, s),
		"schema":       addSchema(app, s),
		"demo":         addDemo(app, s),
		"simulate":     addSimulate(app, s),
		"rules":        addRules(app, s),
		"dashboards":   addDashboards(app, s),
		"healthcheck":  addHealthcheck(app, s),
		"version":      addVersion(app, s, build),
	}
	name, err := app.Parse(withStdin(args))
	switch {
	case terminated != nil:
		return *terminated
	case err != nil:
		fmt.Fprintf(logging.WithPriority(s.err, slog.LevelError), "session_exporter: %v; try --help\n", err)
		return exitUsage
	}
	return exitCode(commands[name](ctx), logging.WithPriority(s.err, slog.LevelError))
}

// usageTemplate adds the flags of serve to the program's help, where users of other
// exporters, which have no commands, expect them.
var usageTemplate = strings.Replace(kingpin.DefaultUsageTemplate, "{{else if .App.Commands -}}", `{{else if .App.Commands -}}
{{range .App.Commands}}{{if .Default -}}
Flags of {{.Name}}, the default command:
{{.Flags|FlagsToTwoColumns|FormatTwoColumns}}
{{end}}{{end -}}
`, 1)

func addVersion(app *kingpin.Application, s streams, build string) command {
	app.Command("version", "Show the version, as --version does.")
	return func(context.Context) error {
		_, err := fmt.Fprintln(s.out, build)
		return err
	}
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
		fmt.Fprintln(stderr, problems) // each starts with its file and line, for editors
		return code
	}
	fmt.Fprintf(stderr, "session_exporter: %v\n", err)
	return code
}

// command runs until it is done or ctx is canceled.
type command func(ctx context.Context) error

const (
	defaultConfigFile = "session_exporter.yml" // in the working directory
	configFileHelp    = "Path to the configuration file, or a pattern such as conf.d/*.yml. Repeatable: all files are one configuration."
)

func addConfigFlag(cmd *kingpin.CmdClause) *kingpin.FlagClause {
	return cmd.Flag("config.file", configFileHelp).Default(defaultConfigFile)
}

// oneOf makes a flag that takes one of several values. The errors of the parser's own
// enumerations do not name the flag.
func oneOf(flag *kingpin.FlagClause, values ...string) *string {
	value := &enum{name: flag.Model().Name, values: values}
	flag.HintOptions(values...).SetValue(value)
	return &value.value
}

// enum is the value of a flag of oneOf.
type enum struct {
	name, value string
	values      []string
}

func (e *enum) String() string { return e.value }

// Set implements kingpin.Value.
func (e *enum) Set(value string) error {
	if !slices.Contains(e.values, value) {
		return fmt.Errorf("--%s is %q; it must be one of: %s", e.name, value, strings.Join(e.values, ", "))
	}
	e.value = value
	return nil
}
