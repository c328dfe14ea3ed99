package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/config"
	"session_exporter/internal/report"
	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
	"session_exporter/sessionapi/custom"
)

func addAPIs(app *kingpin.Application, s streams) command {
	cmd := app.Command("apis", "List available session APIs, or print the definition of one.")
	files := addConfigFlag(cmd).Strings()
	name := cmd.Arg("name", "Name of an API.").HintAction(config.APINames).String()
	return func(context.Context) error {
		// An error in the configuration hides only the APIs that it defines: it may be
		// invalid because it lacks the definition that the user wants to copy.
		defined, configErr := definedAPIs(*files)
		if *name == "" {
			if err := listAPIs(s.out, defined); err != nil || configErr == nil {
				return err
			}
			return &exitError{exitUsage, configErr}
		}
		if err := printAPI(s.out, *name, defined); err != nil {
			return &exitError{exitUsage, errors.Join(configErr, err)}
		}
		if configErr != nil {
			return &exitError{exitOK, configErr}
		}
		return nil
	}
}

// definedAPIs returns the APIs that a configuration defines. A missing configuration defines
// none: the user may be about to write it.
func definedAPIs(files []string) (map[string]*custom.API, error) {
	settings, found := config.Check(files...)
	switch {
	case config.Missing(found):
		return nil, nil
	case settings == nil:
		return nil, found.Err()
	default:
		return settings.APIs, nil
	}
}

// apiNames returns the names of all APIs: built in, in the catalogue, or in the configuration.
func apiNames(defined map[string]*custom.API) []string {
	all := slices.AppendSeq(config.APINames(), maps.Keys(defined))
	slices.Sort(all)
	return slices.Compact(all)
}

// listAPIs lists the APIs that a module may use, and those of the catalogue, which
// a configuration can copy.
func listAPIs(out io.Writer, defined map[string]*custom.API) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "API\tsource\tauth")
	builtIn := sessionapi.BuiltIn()
	for _, name := range apiNames(defined) {
		source, auths := "catalogue (copy it from `apis "+name+"`)", ""
		if api, ok := defined[name]; ok {
			source, auths = "configuration", authsOf(api)
		} else if api, ok := builtIn[name]; ok {
			source, auths = "built in", authsOf(api)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", report.Printable(name), source, auths)
	}
	return w.Flush()
}

func authsOf(api sessionapi.API) string { return strictyaml.Join(api.Spec().Auth) }

// printAPI prints an API's definition: that of the configuration or, if it has none, that
// of the catalogue.
func printAPI(out io.Writer, name string, defined map[string]*custom.API) error {
	if api, ok := defined[name]; ok {
		indented := "    " + strings.ReplaceAll(strings.TrimSuffix(api.YAML(), "\n"), "\n", "\n    ")
		_, err := fmt.Fprintf(out, "apis:\n  %s:\n%s\n", report.Printable(name), indented)
		return err
	}
	if text, ok := catalogue.File(name); ok {
		_, err := out.Write(text)
		return err
	}
	if api, ok := sessionapi.BuiltIn()[name]; ok {
		_, err := fmt.Fprintf(out, "# %s is built in and has no definition. auth: %s\n", name, authsOf(api))
		return err
	}
	return fmt.Errorf("unknown API %q; available: %s", name, strings.Join(apiNames(defined), ", "))
}
