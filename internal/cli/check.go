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
	cmd := app.Command("check-config", "Check a configuration and print every error and warning. Exits with 0 if it is valid, 1 if not.")
	strict := cmd.Flag("strict", "Treat warnings as errors.").Bool()
	files := cmd.Arg("file", "Paths to the files of one configuration, or patterns; - reads standard input, and relative paths in it are relative to the working directory.").Default(defaultConfigFile).Strings()
	return func(ctx context.Context) error { return checkConfig(ctx, *files, *strict, s) }
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

// checkConfig prints all problems of a configuration, sorted by file and line, and a
// summary if it is valid.
func checkConfig(ctx context.Context, files []string, strict bool, s streams) error {
	settings, found, err := checkFiles(ctx, files, s)
	if err != nil {
		return err
	}
	if config.Missing(found) {
		found[0].Text += ", or - for standard input"
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
		return fmt.Errorf("%s: %s treated as errors (--strict)", settings.Name, plural(warnings, "warning"))
	}
	size := plural(len(settings.Endpoints), "endpoint") + ", " + plural(len(settings.Credentials), "credential")
	if len(settings.Files) > 1 {
		size = plural(len(settings.Files), "file") + ", " + size
	}
	_, err = fmt.Fprintf(s.out, "%s is valid: %s.\n", settings.Name, size)
	return err
}

// checkFiles checks files and, if it is among them, standard input as one configuration.
func checkFiles(ctx context.Context, files []string, s streams) (settings *config.Config, found config.Problems, err error) {
	const name = "standard input"
	named := slices.DeleteFunc(slices.Clone(files), func(file string) bool { return file == stdinArgument })
	if len(named) == len(files) {
		settings, found = config.Check(files...)
		return settings, found, nil
	}
	text, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(s.in, config.MaxSize+1)) })
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	settings, found = config.CheckText(text, name, named...)
	return settings, found, nil
}

// plural formats a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
