package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/config"
	"session_exporter/internal/exporter"
)

func addCheckConfig(app *kingpin.Application, s streams) command {
	cmd := app.Command("check-config", "Check a configuration file and print every error and warning. Exits with 0 if it is valid, 1 if not.")
	strict := cmd.Flag("strict", "Treat warnings as errors.").Bool()
	file := cmd.Arg("file", "Path to the configuration file; - reads standard input, and relative paths are then relative to the working directory.").Default(defaultConfigFile).String()
	return func(ctx context.Context) error { return checkConfig(ctx, *file, *strict, s) }
}

// stdinArgument stands for the argument - of check-config, which the parser would take for
// an empty one. No argument of a program has a NUL.
const stdinArgument = "\x00-"

func withStdin(args []string) []string {
	if !slices.Contains(args, "check-config") {
		return args
	}
	args = slices.Clone(args)
	for i := range args {
		if args[i] == "-" {
			args[i] = stdinArgument
		}
	}
	return args
}

// checkConfig prints all problems of a file in the order of its lines, and a summary if
// it can be used.
func checkConfig(ctx context.Context, file string, strict bool, s streams) error {
	var settings *config.Config
	var found config.Problems
	if file == stdinArgument {
		file = "standard input"
		text, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(s.in, config.MaxSize+1)) })
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		settings, found = config.CheckText(text, file)
	} else if settings, found = config.Check(file); isMissing(found) {
		found[0].Text = "no such file; name a configuration file, or - for standard input"
	}
	if settings != nil {
		found = exporter.Problems(settings)
	}
	if len(found) > 0 {
		fmt.Fprintln(s.err, found)
	}
	warnings := len(found.Of(config.Warning))
	switch {
	case len(found) > warnings:
		return &exitError{code: exitFailed}
	case strict && warnings > 0:
		return fmt.Errorf("%s: %s treated as errors (--strict)", file, plural(warnings, "warning"))
	}
	_, err := fmt.Fprintf(s.out, "%s is valid: %s, %s.\n", file, plural(len(settings.Endpoints), "endpoint"), plural(len(settings.Credentials), "credential"))
	return err
}

// isMissing reports whether a configuration file does not exist.
func isMissing(found config.Problems) bool {
	return len(found) == 1 && found[0].Text == config.NoSuchFile
}

// plural formats a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
