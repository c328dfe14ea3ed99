package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"

	"session_exporter/internal/boundedfile"
	"session_exporter/simulator"
)

func addDemo(app *kingpin.Application, s streams) command {
	cmd := app.Command("demo", "Run the exporter against simulated appliances, some of them broken. Needs no configuration.")
	flags := addServerFlags(cmd, demoAddress)
	return func(ctx context.Context) error {
		return withFleet(ctx, func(ctx context.Context, fleet *simulator.Fleet, configFile string) error {
			printFleet(s.out, fleet)
			fmt.Fprintf(s.out, "\nThe configuration: %s\n", configFile)
			if err := flags.printLinks(s.out); err != nil {
				return &exitError{exitUsage, err}
			}
			return flags.serve(ctx, []string{configFile}, s)
		})
	}
}

func addSimulate(app *kingpin.Application, s streams) command {
	app.Command("simulate", "Run only the simulated appliances, with TLS on 127.0.0.1.")
	return func(ctx context.Context) error {
		return withFleet(ctx, func(ctx context.Context, fleet *simulator.Fleet, configFile string) error {
			printFleet(s.out, fleet)
			fmt.Fprintf(s.out, "\nWatch them: session_exporter --config.file=%s\nProbe the first one without a configuration:\n  %s\nStop with Ctrl-C.\n", configFile, fleet.ProbeCommand())
			<-ctx.Done()
			return nil
		})
	}
}

// withFleet runs simulated appliances and calls do with the path of a configuration for
// them.
func withFleet(ctx context.Context, do func(ctx context.Context, fleet *simulator.Fleet, configFile string) error) (err error) {
	dir, err := makeTempDir()
	if err != nil {
		return fmt.Errorf("creating a directory for the simulated appliances' secrets: %w; mount a tmpfs there", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fleet, err := simulator.NewFleet(dir)
	if err != nil {
		return fmt.Errorf("starting the simulated appliances: %w", err)
	}
	defer fleet.Close()
	configFile := filepath.Join(dir, "session_exporter.yml")
	if err := os.WriteFile(configFile, []byte(fleet.Config()), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return whileScriptsRun(ctx, fleet, func(ctx context.Context) error { return do(ctx, fleet, configFile) })
}

// makeTempDir creates a directory that only this user can read. Containers have the
// directory /dev/shm, in memory, even if their root file system is read-only.
func makeTempDir() (string, error) {
	const pattern = "session_exporter-demo-"
	dir, err := os.MkdirTemp("", pattern)
	if err == nil {
		return dir, nil
	}
	if dir, memoryErr := os.MkdirTemp("/dev/shm", pattern); memoryErr == nil {
		return dir, nil
	}
	return "", err
}

// whileScriptsRun calls do while the scripts of a fleet run, and cancels it when a script
// fails: without scripts, nothing more would happen to the appliances.
func whileScriptsRun(ctx context.Context, fleet *simulator.Fleet, do func(ctx context.Context) error) (err error) {
	// The scripts outlive ctx: the exporter logs out of the appliances when it stops.
	playing, stop := context.WithCancel(context.WithoutCancel(ctx))
	ctx, end := context.WithCancel(ctx)
	played := make(chan error, 1)
	go func() {
		defer end()
		played <- fleet.Run(playing)
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-played)
	}()
	return do(ctx)
}

// printFleet lists the appliances.
func printFleet(out io.Writer, fleet *simulator.Fleet) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ENDPOINT\tURL\tBEHAVIOR")
	for _, member := range fleet.Members() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", member.Name, member.URL, member.Summary)
	}
	_ = table.Flush() // to a terminal
}

// printLinks prints the URLs of the pages and the metrics.
func (f *serverFlags) printLinks(out io.Writer) error {
	roots, err := f.rootURLs()
	for _, root := range roots {
		fmt.Fprintf(out, "Open %s and %s; stop with Ctrl-C.\n\n", root, root.JoinPath(*f.telemetryPath))
	}
	return err
}

// rootURLs returns the local URL of the overview page for each listen address.
func (f *serverFlags) rootURLs() ([]*url.URL, error) {
	prefix, _, err := f.route()
	if err != nil {
		return nil, err
	}
	var roots []*url.URL
	for _, address := range *f.toolkit.WebListenAddresses {
		root := url.URL{Scheme: scheme(*f.toolkit.WebConfigFile), Host: browsable(address)}
		roots = append(roots, root.JoinPath(prefix, "/"))
	}
	return roots, nil
}

// scheme returns the URL scheme of a server with this --web.config.file. It ignores errors in
// the file, because the server reports them.
func scheme(webConfigFile string) string {
	text, _ := boundedfile.Read(webConfigFile, maxWebConfig) // it may be unset
	var settings toolkit.Config
	if err := yaml.Unmarshal(text, &settings); err == nil && settings.TLSConfig.IsEnabled() {
		return "https"
	}
	return "http"
}

// browsable returns the host and port of a URL for a listen address.
func browsable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if host == "" || host == "::" || host == "0.0.0.0" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
