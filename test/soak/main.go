// Command soak runs the exporter against simulated appliances in a separate process for
// half an hour, and prints what it used. It fails if a probe was skipped, if more than one
// probe in a hundred started over a second late, if an endpoint that responds is not valid
// at the end, or if memory grows by more than 3 %.
//
// With -compare, it measures the CPU time of a probe under several loads instead, and
// compares it with that of a bare client and other exporters. With -profile, it measures
// what that time is spent on.
//
//	go -C test run ./soak -exporter ../session_exporter -for 30m
//	go -C test run ./soak -exporter ../session_exporter -compare
//	go -C test run ./soak -exporter ../session_exporter -profile
//
// Each endpoint that responds has its own pair of port and IP address. The addresses are in
// 127.0.0.0/8, where Linux needs no setup.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

type options struct {
	exporter  string
	bare      bool
	endpoints int
	hanging   int // of them, in percent
	interval  time.Duration
	duration  time.Duration
	page      string // file with the table; empty for none
}

func main() {
	var o options
	serving := flag.Int("serve", 0, "simulate appliances on this many ports until standard input is closed")
	client := flag.String("client", "", "run the bare client that this JSON file describes")
	var c comparison
	comparing := flag.Bool("compare", false, "compare the exporter with the bare client and other exporters, one after the other on one processor")
	profiling := flag.Bool("profile", false, "measure what the CPU time of a probe is spent on, by the exporter and by the bare client, under the loads of -compare")
	profiled := flag.String("profiled", "", "run the exporter with the remaining arguments, or the client of -client, and write its CPU profile to this file")
	rows := flag.String("rows", "", "regular expression of the names of the rows to compare or profile")
	flag.IntVar(&c.rounds, "rounds", 1, "number of times that -compare measures each row; the table has the medians")
	blackbox := flag.String("blackbox", "", "blackbox_exporter binary to compare")
	jsonExporter := flag.String("json-exporter", "", "json_exporter binary to compare")
	cloudprober := flag.String("cloudprober", "", "cloudprober binary to compare")
	flag.BoolVar(&o.bare, "bare", false, "for comparison, run a minimal net/http client instead of the exporter")
	flag.StringVar(&o.exporter, "exporter", "../session_exporter", "exporter binary")
	flag.IntVar(&o.endpoints, "endpoints", 10_000, "number of endpoints")
	flag.IntVar(&o.hanging, "hanging", 0, "percentage of endpoints that accept connections and never respond")
	flag.DurationVar(&o.interval, "interval", 15*time.Second, "probe interval")
	flag.DurationVar(&o.duration, "for", 30*time.Minute, "duration, starting when all endpoints that respond are valid, and at least two intervals and 30 s have passed")
	flag.StringVar(&o.page, "page", "", "file in which to replace the table between its markers; empty for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *serving > 0:
		err = serve(*serving, o.endpoints)
	case *profiled != "":
		err = runProfiled(*profiled, func() error {
			if *client != "" {
				return runBare(ctx, *client)
			}
			return runExporter(ctx, flag.Args())
		})
	case *client != "":
		err = runBare(ctx, *client)
	case *comparing, *profiling:
		c.page = o.page
		c.only, err = regexp.Compile(*rows)
		if err == nil {
			c.contenders, err = newContenders(*blackbox, *jsonExporter, *cloudprober, o.exporter)
		}
		if err == nil && *comparing {
			err = c.run(ctx)
		}
		if err == nil && *profiling {
			err = c.profile(ctx)
		}
	default:
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// run starts both processes, watches the exporter, and prints the results.
func (o *options) run(ctx context.Context) error {
	if o.hanging < 0 || o.hanging > 100 {
		return fmt.Errorf("-hanging is %d; it must be from 0 to 100", o.hanging)
	}
	if o.bare && o.hanging > 0 {
		return errors.New("-bare and -hanging are mutually exclusive")
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	appliances, err := startAppliances(ctx, o.endpoints)
	if err != nil {
		return err
	}
	defer appliances.end()
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	exporter, err := o.command(ctx, dir, address, appliances)
	if err != nil {
		return err
	}
	exporter.Stdout, exporter.Stderr = os.Stderr, os.Stderr
	exporter.Cancel = func() error { return exporter.Process.Signal(syscall.SIGTERM) }
	if err := exporter.Start(); err != nil {
		return err
	}
	defer func() {
		_ = exporter.Process.Signal(syscall.SIGTERM)
		_ = exporter.Wait()
	}()
	seen, err := o.watch(ctx, "http://"+address+"/metrics")
	if err != nil {
		return err
	}
	table := o.table(seen)
	fmt.Print(table)
	if o.page != "" {
		if err := replaceTable(o.page, "soak", table); err != nil {
			return err
		}
	}
	return o.verify(seen)
}

// command returns the process that probes the appliances and serves its metrics at
// address.
func (o *options) command(ctx context.Context, dir, address string, a *appliances) (*exec.Cmd, error) {
	if o.bare {
		description, err := json.Marshal(o.bareClient(address, a))
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, "bare.json")
		return exec.CommandContext(ctx, os.Args[0], "-client="+file), os.WriteFile(file, description, 0o600) //nolint:gosec // it is this program
	}
	file := filepath.Join(dir, "session_exporter.yml")
	if err := os.WriteFile(file, []byte(o.configuration(a)), 0o600); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, o.exporter, "--config.file="+file, "--web.listen-address="+address, "--log.level=error"), nil //nolint:gosec // the user names the binary to run
}

// appliances is the process that simulates the appliances. It prints the exported fields
// as JSON when it is ready.
type appliances struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	CA      string
	Ports   []string
	Hanging string // port of the appliances that hang
}

// ports is the number of the appliances' ports. Each port is one site, with a credential
// and a certificate of its own.
const ports = 100

// startAppliances starts the process, and waits until it is ready.
func startAppliances(ctx context.Context, endpoints int) (*appliances, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], fmt.Sprintf("-serve=%d", ports), fmt.Sprintf("-endpoints=%d", endpoints)) //nolint:gosec // it is this program
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	a := &appliances{cmd: cmd, in: in, out: json.NewDecoder(out)}
	if err := a.out.Decode(a); err != nil {
		a.end()
		return nil, fmt.Errorf("decoding the appliances' description: %w", err)
	}
	return a, nil
}

// served returns the number of checks that the appliances have served.
func (a *appliances) served() (n int64, err error) {
	if _, err = io.WriteString(a.in, "\n"); err == nil {
		err = a.out.Decode(&n)
	}
	return n, err
}

func (a *appliances) end() {
	_ = a.in.Close()
	_ = a.cmd.Wait()
}

func (o *options) configuration(a *appliances) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {interval: %s, timeout: %s}\n", o.interval, min(10*time.Second, (o.interval*2/3).Truncate(100*time.Millisecond)))
	b.WriteString("credentials:\n")
	for i := range a.Ports {
		fmt.Fprintf(&b, "  site-%d: {username: monitor, password: %s}\n", i, password)
	}
	fmt.Fprintf(&b, "modules:\n  hcx: {api: hcx, login: {auth_type: local}, tls_config: {ca: %q}}\n", a.CA)
	b.WriteString("endpoints:\n")
	for i := range o.endpoints {
		fmt.Fprintf(&b, "  - {name: hcx-%05d, url: %q, module: hcx, credential: site-%d}\n", i, o.url(a, i), i%len(a.Ports))
	}
	return b.String()
}

func (o *options) bareClient(address string, a *appliances) bare {
	client := bare{CA: a.CA, Interval: o.interval, Address: address}
	for i := range o.endpoints {
		client.URLs = append(client.URLs, o.url(a, i)+"/api/admin/v1/sessions")
	}
	return client
}

// url returns an endpoint's URL.
func (o *options) url(a *appliances, i int) string {
	port := a.Ports[i%len(a.Ports)]
	if o.hangs(i) {
		port = a.Hanging
	}
	return "https://" + net.JoinHostPort(host(i/len(a.Ports)), port)
}

// hangs reports whether an endpoint hangs. Those that hang are spread over all sites and
// over the endpoints of each, with an offset per site. Of the hundred endpoints at each IP
// address, the given percentage hangs.
func (o *options) hangs(i int) bool {
	i = i/ports + i%ports
	return (i+1)*o.hanging/100 > i*o.hanging/100
}

// host returns the n-th IP address.
func host(n int) string { return fmt.Sprintf("127.0.%d.%d", n/250, n%250+1) }

// freeAddress returns an address with a free port.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// machine describes the machine.
func machine() string {
	model, cores := runtime.GOARCH, runtime.NumCPU()
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		cores = strings.Count("\n"+string(info), "\nprocessor\t") // NumCPU counts those that this process may use
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s, %s %s/%s", cores, model, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
