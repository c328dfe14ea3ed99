package main

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

	"session_exporter/simulator"
)

func addDemo(app *kingpin.Application, s streams) command {
	cmd := app.Command("demo", "Run the exporter against simulated appliances, healthy and broken ones; nothing else is needed.")
	flags := addServerFlags(cmd, "127.0.0.1:10987")
	return func(ctx context.Context) error {
		return withFleet(ctx, func(ctx context.Context, fleet *simulator.Fleet, configFile string) error {
			printCast(s.out, fleet)
			fmt.Fprintf(s.out, "\nThe configuration: %s\n", configFile)
			if err := flags.printLinks(s.out); err != nil {
				return &exitError{exitMisused, err}
			}
			return flags.serve(ctx, configFile, s)
		})
	}
}

func addSimulate(app *kingpin.Application, s streams) command {
	app.Command("simulate", "Run the simulated appliances alone, over TLS on 127.0.0.1.")
	return func(ctx context.Context) error {
		return withFleet(ctx, func(ctx context.Context, fleet *simulator.Fleet, configFile string) error {
			printCast(s.out, fleet)
			fmt.Fprintf(s.out, "\nWatch them: session_exporter --config.file=%s\nStop with Ctrl-C.\n", configFile)
			<-ctx.Done()
			return nil
		})
	}
}

// withFleet runs simulated appliances while do does something with them, and
// their configuration.
func withFleet(ctx context.Context, do func(ctx context.Context, fleet *simulator.Fleet, configFile string) error) (err error) {
	dir, err := os.MkdirTemp("", "session_exporter-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the simulated appliances' secrets: %w", err)
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
	return whilePlaying(ctx, fleet, func(ctx context.Context) error { return do(ctx, fleet, configFile) })
}

// whilePlaying does something while the scripts of a fleet are played. It ends when
// they do: with appliances that stand still nothing would happen any more.
func whilePlaying(ctx context.Context, fleet *simulator.Fleet, do func(ctx context.Context) error) (err error) {
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

func printCast(out io.Writer, fleet *simulator.Fleet) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ENDPOINT\tURL\tWHAT HAPPENS THERE")
	for _, member := range fleet.Members() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", member.Name, member.URL, member.Story)
	}
	_ = table.Flush() // to a terminal
}

// printLinks prints where a browser finds the pages and the metrics.
func (f *serverFlags) printLinks(out io.Writer) error {
	prefix, _, err := f.route()
	if err != nil {
		return err
	}
	for _, address := range *f.toolkit.WebListenAddresses {
		root := url.URL{Scheme: scheme(*f.toolkit.WebConfigFile), Host: browsable(address)}
		fmt.Fprintf(out, "Open %s and %s; stop with Ctrl-C.\n\n", root.JoinPath(prefix, "/"), root.JoinPath(prefix, *f.telemetryPath))
	}
	return nil
}

// scheme returns that of the links to a server with such a --web.config.file. What is
// wrong in the file is told by the server.
func scheme(webConfigFile string) string {
	text, _ := os.ReadFile(webConfigFile) // there need not be one
	var settings toolkit.Config
	if err := yaml.Unmarshal(text, &settings); err == nil && settings.TLSConfig.IsEnabled() {
		return "https"
	}
	return "http"
}

// browsable turns a listen address into what a browser takes.
func browsable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if host == "" || host == "::" || host == "0.0.0.0" {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
