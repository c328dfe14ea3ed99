package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/internal/exporter"
	"session_exporter/internal/report"
	"session_exporter/internal/strictyaml"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func addProbe(app *kingpin.Application, s streams) command {
	cmd := app.Command("probe", "Probe endpoints of the configuration, or URLs without a configuration, and explain each result. Exits with 0 if all are valid, 1 if any is not (with --watch: at its last probe), 2 for invalid flags or configuration.")
	p := new(probeFlags)
	p.files = addConfigFlag(cmd).IsSetByUser(&p.fileGiven).Strings()
	p.all = cmd.Flag("all", "Probe every endpoint of the configuration.").Bool()
	p.watch = cmd.Flag("watch", "Probe repeatedly until Ctrl-C: print a line for each probe and explain each change. Holds the session, as serve does.").Bool()
	p.interval = cmd.Flag("interval", "With --watch: time between two probes, instead of the endpoint's interval.").PlaceHolder("1m").String()
	p.output = oneOf(cmd.Flag("output", "Output format. One of: text, json, metrics.").Short('o').Default("text"), "text", "json", "metrics")
	p.color = oneOf(cmd.Flag("color", "Color the output; auto does so on a terminal unless NO_COLOR is set. One of: auto, always, never.").Default("auto"), "auto", "always", "never")
	p.adhoc = addAdhocFlags(cmd)
	p.endpoints = cmd.Arg("endpoint", "Names of endpoints, or URLs with --api and --username or --token-file.").HintAction(endpointNames(p.files)).Strings()
	return func(ctx context.Context) error { return p.run(ctx, s) }
}

// probeFlags are the flags of probe.
type probeFlags struct {
	files         *[]string
	fileGiven     bool
	all, watch    *bool
	interval      *string
	output, color *string
	adhoc         *adhocFlags
	endpoints     *[]string
}

func (p *probeFlags) run(ctx context.Context, s streams) error {
	// A closed terminal must not leave a session. nohup ignores the signal.
	if !signal.Ignored(syscall.SIGHUP) {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	settings, from, err := p.settings(ctx, s)
	switch {
	case ctx.Err() != nil && err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("interrupted before the probe")
	case err != nil:
		return &exitError{exitUsage, err}
	}
	as := format{output: *p.output, color: *p.color, all: *p.all, from: from}
	if *p.watch {
		return watchEndpoints(ctx, settings, as, s)
	}
	return probeOnce(ctx, settings, as, s)
}

// settings returns the configuration to probe. from is nil unless the configuration is built
// from flags. All warnings are printed before any login is sent.
func (p *probeFlags) settings(ctx context.Context, s streams) (settings *config.Config, from *adhoc, err error) {
	isAdhoc := slices.ContainsFunc(*p.endpoints, isURL)
	switch given := p.adhoc.given(); {
	case *p.interval != "" && !*p.watch:
		return nil, nil, errors.New("--interval requires --watch")
	case *p.watch && *p.output == "metrics":
		return nil, nil, errors.New("--watch does not support --output=metrics; use text or json, or run `serve`")
	case isAdhoc:
		if from, err = p.fromFlags(ctx, s); err != nil {
			return nil, nil, err
		}
		settings = from.settings
	case given != "" && len(*p.endpoints) > 0:
		return nil, nil, fmt.Errorf("%s applies only to a URL; %q is a name, so write https:// before it, or remove the flag", given, (*p.endpoints)[0])
	case given != "":
		return nil, nil, fmt.Errorf("%s requires a URL, such as https://hcx.example.com:9443", given)
	default:
		if settings, err = p.fromFile(s); err != nil {
			return nil, nil, err
		}
	}
	if *p.interval == "" {
		return settings, from, nil
	}
	interval, err := model.ParseDuration(*p.interval)
	if err == nil {
		settings, err = settings.WithInterval(time.Duration(interval))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--interval: %w", err)
	}
	return settings, from, nil
}

// fromFlags returns a configuration built from flags.
func (p *probeFlags) fromFlags(ctx context.Context, s streams) (*adhoc, error) {
	for _, argument := range *p.endpoints {
		if !isURL(argument) {
			return nil, fmt.Errorf("%q is a name, but others are URLs; probe them separately", argument)
		}
	}
	switch {
	case *p.all:
		return nil, errors.New("a URL and --all are mutually exclusive")
	case p.fileGiven:
		return nil, errors.New("a URL and --config.file are mutually exclusive; use the name of an endpoint in the file")
	}
	return p.adhoc.configure(ctx, *p.endpoints, s)
}

// fromFile returns the configuration of the named endpoints.
func (p *probeFlags) fromFile(s streams) (*config.Config, error) {
	settings, found := config.Check(*p.files...)
	switch err := found.Err(); {
	case config.Missing(found):
		return nil, fmt.Errorf("%s with --config.file; to probe without a file, name a URL: session_exporter probe https://HOST --api=hcx --username=USER", found[0])
	case err != nil:
		return nil, err
	}
	settings, err := selectEndpoints(settings, *p.endpoints, *p.all)
	if err != nil {
		return nil, err
	}
	warnings := settings.Problems.Of(config.Warning)
	for _, warning := range warnings[:min(len(warnings), maxWarnings)] {
		fmt.Fprintln(s.err, warning)
	}
	if more := len(warnings) - maxWarnings; more > 0 {
		fmt.Fprintf(s.err, "%s: %s; `check-config` shows all\n", settings.Name, plural(more, "more warning"))
	}
	warnOfRefreshTokens(settings, s)
	return settings, nil
}

// warnOfRefreshTokens warns that the command, which knows nothing of a running exporter,
// presents refresh tokens that a server may accept only once.
func warnOfRefreshTokens(settings *config.Config, s streams) {
	warned := make(map[string]bool)
	for _, e := range settings.Endpoints {
		c := e.Credential
		if c.OAuth2 == nil || c.OAuth2.GrantType != config.GrantRefreshToken || warned[c.Name] {
			continue
		}
		warned[c.Name] = true
		fmt.Fprintf(s.err, "session_exporter: warning: credential %q: if the server replaces refresh tokens, this probe invalidates the one of a running exporter\n", c.Name)
	}
}

// maxWarnings limits the warnings before a probe: a fleet may have the same mistake a
// thousand times.
const maxWarnings = 10

// selectEndpoints returns the configuration with only the named endpoints, and with only
// the problems that concern them.
func selectEndpoints(settings *config.Config, names []string, all bool) (*config.Config, error) {
	known := make([]string, len(settings.Endpoints))
	for i, endpoint := range settings.Endpoints {
		known[i] = endpoint.Name
	}
	switch {
	case all && len(names) > 0:
		return nil, errors.New("endpoint names and --all are mutually exclusive")
	case all:
		names = known
	case len(names) == 0:
		return nil, fmt.Errorf("no endpoint given; name endpoints of %s or use --all; available: %s", settings.Name, abbreviate(known))
	}
	index := make(map[string]int, len(known))
	for i, name := range known {
		index[name] = i
	}
	selected := *settings
	selected.Endpoints = nil
	used := make(map[strictyaml.Key]bool) // keys of the endpoints, and of their settings
	for _, name := range names {
		i, ok := index[name]
		if !ok {
			return nil, fmt.Errorf("%s has no endpoint %q; available: %s", settings.Name, name, abbreviate(known))
		}
		if at := strictyaml.Key("endpoints").Item(i); !used[at] {
			e := settings.Endpoints[i]
			selected.Endpoints = append(selected.Endpoints, e)
			credentials := strictyaml.Key("credentials")
			used[at], used[strictyaml.Key("modules").Field(e.Module)], used[credentials.Field(e.Credential.Name)] = true, true, true
			if e.Pairing != nil {
				used[credentials.Field(e.Pairing.Local.Name)] = true
			}
		}
	}
	selected.Problems = slices.DeleteFunc(slices.Clone(settings.Problems), func(p config.Problem) bool { return !p.Within(used) })
	return &selected, nil
}

// abbreviate lists the first twenty names and the number of the rest.
func abbreviate(names []string) string {
	const most = 20
	if more := len(names) - most; more > 0 {
		return report.Printable(strings.Join(names[:most], ", ")) + fmt.Sprintf(", and %d more", more)
	}
	return report.Printable(strings.Join(names, ", "))
}

// format determines how the results are printed.
type format struct {
	output, color string
	all           bool
	from          *adhoc // the flags that the configuration is built from; nil for a file
}

// newExporter returns an exporter that probes the endpoints of a configuration.
func newExporter(settings *config.Config, manager *probe.Manager) (*exporter.Exporter, error) {
	e := exporter.New(nil, config.Shard{}, manager, slog.New(slog.DiscardHandler))
	if err := e.Apply(settings); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return e, nil
}

func probeOnce(ctx context.Context, settings *config.Config, as format, s streams) error {
	manager := probe.NewManager()
	manager.Once = true
	e, err := newExporter(settings, manager)
	if err != nil {
		return err
	}
	results, left := probeAll(ctx, e.Collector(), len(settings.Endpoints), s.err)
	reportLeftSessions(left, s)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	as.from.adapt(results)
	switch as.output {
	case "json":
		err = report.JSON(s.out, results)
	case "metrics":
		err = report.Metrics(s.out, e.Collector())
	default:
		err = report.Text(s.out, results, as.all, as.color)
	}
	failed := slices.ContainsFunc(results, func(f collector.EndpointResult) bool { return f.Result.State != sessionapi.Valid })
	if err == nil && !failed && as.from != nil && as.output == "text" {
		err = as.from.hint(s.out)
	}
	switch {
	case err != nil:
		return fmt.Errorf("printing the results: %w", err)
	case failed:
		return &exitError{code: exitFailed}
	default:
		return nil
	}
}

// reportLeftSessions reports sessions that may have been left on their appliances. left is
// nil if there are none.
func reportLeftSessions(left error, s streams) {
	if left != nil {
		fmt.Fprintf(s.err, "session_exporter: some sessions may have been left on their appliances: %v\n", left)
	}
}

// probeAll probes all endpoints of a collector, and shows the progress on a terminal.
func probeAll(ctx context.Context, c *collector.Collector, count int, errOut io.Writer) ([]collector.EndpointResult, error) {
	progress := report.NewProgress(errOut, count)
	if progress == nil {
		return c.ProbeAll(ctx)
	}
	// The bar stays until the last logout, even after an interrupt.
	showing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var drawing sync.WaitGroup
	drawing.Go(func() { progress.Show(showing) })
	defer drawing.Wait()
	defer stop()
	return c.ProbeEach(ctx, progress.Add)
}
