package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/config"
	"session_exporter/probe"
)

// catalogue has definitions of session APIs, each in a file that is named for it.
//
//go:embed docs/apis/*.yml
var catalogue embed.FS

func addAPIs(app *kingpin.Application, s streams) command {
	cmd := app.Command("apis", "List the session APIs that there are, or print the definition of one.")
	file := addConfigFlag(cmd)
	name := cmd.Arg("name", "Name of an API.").HintAction(func() []string { return apiNames(nil) }).String()
	return func(context.Context) error {
		// What is wrong in the configuration is told, and hides only its own APIs: it
		// may lack just the definition that is asked for.
		described, wrong := describedAPIs(*file)
		if *name == "" {
			if err := listAPIs(s.out, described); err != nil || wrong == nil {
				return err
			}
			return &exitError{exitMisused, wrong}
		}
		if err := printAPI(s.out, *name, described); err != nil {
			return &exitError{exitMisused, errors.Join(wrong, err)}
		}
		if wrong != nil {
			return &exitError{exitOK, wrong}
		}
		return nil
	}
}

// describedAPIs returns the APIs that a configuration describes: none where there
// is no such file, for this is also for those who are about to write it.
func describedAPIs(file string) (map[string]*config.Definition, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	settings, err := config.Load(file, probe.APIs())
	if err != nil {
		return nil, err
	}
	return settings.APIs, nil
}

// catalogued returns the catalogue's files, by the names of their APIs.
func catalogued() map[string]string {
	files, _ := fs.Glob(catalogue, "docs/apis/*.yml") // the pattern is a good one
	known := make(map[string]string, len(files))
	for _, file := range files {
		known[strings.TrimSuffix(path.Base(file), ".yml")] = file
	}
	return known
}

// apiNames returns the names of all APIs: built in, of the catalogue, described.
func apiNames(described map[string]*config.Definition) []string {
	all := slices.Collect(maps.Keys(described))
	all = slices.AppendSeq(all, maps.Keys(probe.APIs()))
	all = slices.AppendSeq(all, maps.Keys(catalogued()))
	slices.Sort(all)
	return slices.Compact(all)
}

// listAPIs lists the APIs that a module may name, and those of the catalogue, which
// a configuration may copy.
func listAPIs(out io.Writer, described map[string]*config.Definition) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "API\tfrom\tauth")
	builtIn := probe.APIs()
	for _, name := range apiNames(described) {
		from, auths := "the catalogue, to copy from `apis "+name+"`", ""
		if d, ok := described[name]; ok {
			from, auths = "the configuration", config.JoinAuths(d.API.Auth)
		} else if api, ok := builtIn[name]; ok {
			from, auths = "built in", config.JoinAuths(api.Auth)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", printable(name), from, auths)
	}
	return w.Flush()
}

// printAPI prints an API's definition: the configuration's own, else the
// catalogue's.
func printAPI(out io.Writer, name string, described map[string]*config.Definition) error {
	if d, ok := described[name]; ok {
		indented := "    " + strings.ReplaceAll(strings.TrimSuffix(d.YAML, "\n"), "\n", "\n    ")
		_, err := fmt.Fprintf(out, "apis:\n  %s:\n%s\n", printable(name), indented)
		return err
	}
	if file, ok := catalogued()[name]; ok {
		text, err := fs.ReadFile(catalogue, file)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	}
	if api, ok := probe.APIs()[name]; ok {
		_, err := fmt.Fprintf(out, "# %s is built in, and has no definition. auth: %s\n", name, config.JoinAuths(api.Auth))
		return err
	}
	return fmt.Errorf("there is no API %q; there are: %s", name, strings.Join(apiNames(described), ", "))
}
