package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/simulator"
)

func addDemo(app *kingpin.Application, s streams) command {
	cmd := app.Command("demo", "Run the exporter against simulated appliances, healthy and broken ones; nothing else is needed.")
	flags := addServerFlags(cmd, "127.0.0.1:10987")
	return func(ctx context.Context) error {
		return withFleet(ctx, func(ctx context.Context, fleet *simulator.Fleet, configFile string) error {
			printCast(s.out, fleet)
			fmt.Fprintf(s.out, "\nThe configuration: %s\n", configFile)
			for _, address := range *flags.toolkit.WebListenAddresses {
				fmt.Fprintf(s.out, "Open http://%s/ and http://%s%s; stop with Ctrl-C.\n\n", browsable(address), browsable(address), *flags.telemetryPath)
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
	// The appliances outlive ctx: the exporter logs out of them when it stops.
	playing, stop := context.WithCancel(context.WithoutCancel(ctx))
	played := make(chan error, 1)
	go func() { played <- fleet.Run(playing) }()
	defer func() {
		stop()
		err = errors.Join(err, <-played)
	}()
	return do(ctx, fleet, configFile)
}

func printCast(out io.Writer, fleet *simulator.Fleet) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ENDPOINT\tURL\tWHAT HAPPENS THERE")
	for _, member := range fleet.Members() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", member.Name, member.URL, member.Story)
	}
	_ = table.Flush() // to a terminal
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
