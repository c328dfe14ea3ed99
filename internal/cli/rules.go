package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/deploy"
)

// The embedded files, and how they write the address that Prometheus scrapes.
const (
	alertRules      = "prometheus/rules/alerts.yml"
	recordingRules  = "prometheus/rules/recording.yml"
	dashboardFolder = "grafana/dashboards"

	instanceInRules      = "{{ $labels.instance }}"
	instanceInDashboards = "${__data.fields.exporter:raw}"
)

// instance stands in --external-url for the address that Prometheus scrapes.
const instance = "{instance}"

func addExternalURLFlag(cmd *kingpin.CmdClause) *string {
	return cmd.Flag("external-url", "URL of the exporter in links to its pages; "+instance+" is the address that Prometheus scrapes. For example https://"+instance+" or https://example.com/session_exporter.").
		Default("http://" + instance).String()
}

func addRules(app *kingpin.Application, s streams) command {
	cmd := app.Command("rules", "Print the alert and recording rules of this version, as one file of rules for Prometheus.")
	external := addExternalURLFlag(cmd)
	return func(context.Context) error {
		rules, err := rules(*external)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		_, err = io.WriteString(s.out, rules)
		return err
	}
}

func addDashboards(app *kingpin.Application, s streams) command {
	cmd := app.Command("dashboards", "List the Grafana dashboards of this version, print one, or write all into a directory.")
	external := addExternalURLFlag(cmd)
	dir := cmd.Flag("output-dir", "Existing directory to write all dashboards into. Files of the same names are replaced.").String()
	name := cmd.Arg("name", "Name of a dashboard.").HintOptions(dashboardNames()...).String()
	return func(context.Context) error {
		base, err := linkBase(*external, instanceInDashboards)
		if err == nil && *dir != "" && *name != "" {
			err = fmt.Errorf("--output-dir writes all dashboards; omit the name %q", *name)
		}
		if err == nil && *name != "" && !slices.Contains(dashboardNames(), *name) {
			err = fmt.Errorf("unknown dashboard %q; available: %s", *name, strings.Join(dashboardNames(), ", "))
		}
		switch {
		case err != nil:
			return &exitError{exitUsage, err}
		case *dir != "":
			return writeDashboards(*dir, base)
		case *name != "":
			_, err := io.WriteString(s.out, dashboard(*name, base))
			return err
		default:
			return listDashboards(s.out)
		}
	}
}

// linkBase returns the base of links for an --external-url, with {instance} replaced by
// placeholder, which is how the file writes the address that Prometheus scrapes.
func linkBase(external, placeholder string) (string, error) {
	const placeholderHost = "instance.invalid"
	u, err := url.Parse(strings.ReplaceAll(external, instance, placeholderHost))
	if err == nil && u.User != nil {
		return "", errors.New("--external-url must not contain a user or password, because the rules are not confidential")
	}
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(u.Host, `"'<>\`) {
		return "", fmt.Errorf("--external-url is %q; it must be a URL such as https://example.com/session_exporter, or https://%s", external, instance)
	}
	return strings.ReplaceAll(strings.TrimRight(u.String(), "/"), placeholderHost, placeholder), nil
}

// rules returns all rules as one file.
func rules(external string) (string, error) {
	base, err := linkBase(external, instanceInRules)
	if err != nil {
		return "", err
	}
	alerts := strings.Replace(embedded(alertRules), "\ngroups:\n", "\n", 1)
	return embedded(recordingRules) + "\n" + strings.ReplaceAll(alerts, "http://"+instanceInRules, base), nil
}

func embedded(file string) string {
	text, err := fs.ReadFile(deploy.Files, file)
	if err != nil {
		panic(err) // it is part of the binary
	}
	return string(text)
}

func dashboardNames() []string {
	files, err := fs.Glob(deploy.Files, dashboardFolder+"/*.json")
	if err != nil {
		panic(err) // the pattern is invalid
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(path.Base(file), ".json")
	}
	return names
}

func dashboard(name, base string) string {
	return strings.ReplaceAll(embedded(dashboardFolder+"/"+name+".json"), "http://"+instanceInDashboards, base)
}

func writeDashboards(dir, base string) error {
	for _, name := range dashboardNames() {
		file := filepath.Join(dir, name+".json")
		if err := os.WriteFile(file, []byte(dashboard(name, base)), 0o644); err != nil { //nolint:gosec // Grafana reads it, as another user
			return fmt.Errorf("writing a dashboard: %w", err)
		}
	}
	return nil
}

func listDashboards(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "dashboard\tshows")
	for _, name := range dashboardNames() {
		var about struct{ Description string }
		if err := json.Unmarshal([]byte(embedded(dashboardFolder+"/"+name+".json")), &about); err != nil {
			return fmt.Errorf("reading the dashboard %s: %w", name, err)
		}
		fmt.Fprintf(w, "%s\t%s\n", name, about.Description)
	}
	return w.Flush()
}
