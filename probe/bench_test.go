package probe

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.uber.org/goleak"

	"session_exporter/config"
	"session_exporter/simulator"
)

// serverVariable makes this test binary the benchmarks' server: in the same
// process it would cost more than what is measured.
const serverVariable = "PROBE_BENCHMARK_SERVER"

// TestMain fails when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		benchmarkServer()
		return
	}
	goleak.VerifyTestMain(m)
}

// benchmarkServer serves both APIs until its standard input ends.
func benchmarkServer() {
	ca, err := simulator.NewCA()
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/admin/v1/sessions", reply{status: 200, header: map[string]string{"Content-Type": "application/json"}, body: hcxOK})
	mux.Handle("/session", reply{status: 200, header: map[string]string{"Content-Type": "application/json"}, body: drOK})
	closing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		mux.ServeHTTP(w, r)
	})
	said := benchmarked{CA: ca.PEM()}
	for address, handler := range map[*string]http.Handler{&said.Keeping: mux, &said.Closing: closing} {
		server, err := ca.Serve(handler, "0.0.0.0:0", simulator.ServerOptions{Hosts: benchmarkHosts()})
		if err != nil {
			panic(err)
		}
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL(), "https://"))
		*address = port
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// benchmarked is what it says of itself: the ports at which it keeps connections
// and closes them, and who signed its certificate.
type benchmarked struct{ Keeping, Closing, CA string }

// benchmarkHosts are its addresses.
func benchmarkHosts() (hosts []string) {
	for i := range 250 {
		hosts = append(hosts, fmt.Sprintf("127.0.0.%d", i+1))
	}
	return hosts
}

func at(host, port string) *url.URL {
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}
}

// startServer starts it as a process of its own.
func startServer(b *testing.B) (said benchmarked) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"=1", "GOCOVERDIR="+b.TempDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(line, &said); err != nil {
		b.Fatal("the server said", string(line), err)
	}
	return said
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure reports the processor time of an operation beside what is usual.
func measure(b *testing.B, operation func()) {
	b.Helper()
	operation() // connects
	b.ReportAllocs()
	before := cpuTime(b)
	n := 0
	for b.Loop() {
		operation()
		n++
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n), "cpu-µs/op")
}

// BenchmarkProbe is one probe, by a built-in API and by the same as the
// configuration describes it, BenchmarkBare what the same request costs a bare
// client that reads and decodes the answer. A connection is kept, fresh for every
// probe, or closed by the appliance, so that only its TLS session is resumed.
func BenchmarkProbe(b *testing.B) {
	server := startServer(b)
	for _, api := range []string{"hcx", "dr"} {
		for _, c := range []struct {
			name string
			port string
			age  time.Duration
			as   *config.Definition
		}{
			{"kept", server.Keeping, 24 * time.Hour, nil},
			{"kept/described", server.Keeping, 24 * time.Hour, definition(api)},
			{"resumed", server.Closing, 24 * time.Hour, nil},
			{"fresh", server.Keeping, 0, nil},
		} {
			e := endpointFor(api, config.AuthToken)
			e.URL, e.ConnectionMaxAge, e.Custom = at("127.0.0.1", c.port), c.age, c.as
			e.HTTP.TLS = promconfig.TLSConfig{CA: server.CA}
			b.Run(api+"/"+c.name, func(b *testing.B) {
				p := newProber(b, e)
				measure(b, func() { probeValid(b, p) })
			})
			b.Run(api+"/"+c.name+"/flat-out", func(b *testing.B) {
				flatOut(b, func() func() {
					p := newProber(b, e)
					return func() { probeValid(b, p) }
				})
			})
		}
	}
}

func probeValid(b *testing.B, p *Prober) {
	b.Helper()
	if r, err := p.Probe(b.Context()); err != nil || r.State != Valid {
		b.Error(r.State, r.Diagnosis, err)
	}
}

// flatOut keeps all processors busy, which takes fewer wake-ups for a probe than
// one after the other. Each of those who do it side by side gets an operation of
// its own.
func flatOut(b *testing.B, newOperation func() func()) {
	b.Helper()
	b.ReportAllocs()
	b.SetParallelism(16)
	operations := make(chan func(), 16*runtime.GOMAXPROCS(0))
	for range cap(operations) {
		operation := newOperation()
		operation() // connects
		operations <- operation
	}
	b.ResetTimer()
	before := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		operation := <-operations
		for pb.Next() {
			operation()
		}
		operations <- operation
	})
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkKeptConnection is what an endpoint takes of memory for its prober and
// its kept connection, with a transport for all.
func BenchmarkKeptConnection(b *testing.B) {
	server := startServer(b)
	connection := &config.HTTP{TLS: promconfig.TLSConfig{CA: server.CA}}
	var endpoints []*config.Endpoint
	for _, host := range benchmarkHosts() {
		e := endpointFor("hcx", config.AuthToken)
		e.Name, e.URL, e.ConnectionMaxAge, e.HTTP = host, at(host, server.Keeping), 24*time.Hour, connection
		endpoints = append(endpoints, e)
	}
	var bytes int64
	for b.Loop() {
		batch := batchOf(b, endpoints...)
		before := inUse()
		var probers []*Prober
		for _, e := range endpoints {
			p := proberOf(b, batch, e)
			probeValid(b, p)
			probers = append(probers, p)
		}
		bytes += inUse() - before
		probers[0].client.transport.CloseIdleConnections()
	}
	b.ReportMetric(float64(bytes)/float64(b.N*len(endpoints)), "B/endpoint")
}

// inUse returns how much of the heap and of stacks is in use.
func inUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

// BenchmarkClassify is the way from an answer that was read to a state.
func BenchmarkClassify(b *testing.B) {
	for name, x := range map[string]*exchange{
		"valid":       {step: Check, answer: Answer{Status: 200}},
		"unreachable": {step: Check, err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if classify(x, Reading{State: Valid}, config.AuthToken) == "" {
					b.Fatal("no state")
				}
			}
		})
	}
}

// BenchmarkRead is what an answer alone costs to read.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		api  API
		body string
	}{
		{"hcx", hcx{}, hcxOK},
		{"hcx/custom", custom{definition("hcx")}, hcxOK},
		{"dr", dr{}, drOK},
		{"dr/custom", custom{definition("dr")}, drOK},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c.api.Read(Check, Answer{Status: 200, Body: []byte(c.body)}).State != Valid {
					b.Fatal("not valid")
				}
			}
		})
	}
}

func BenchmarkBare(b *testing.B) {
	server := startServer(b)
	for _, api := range []struct {
		name, path string
		body       func() any
	}{
		{"hcx", "/api/admin/v1/sessions", func() any { return new(hcxBody) }},
		{"dr", "/session", func() any { return new(drBody) }},
	} {
		for _, c := range []struct {
			name string
			port string
			with func(t *http.Transport)
		}{
			{"kept", server.Keeping, func(*http.Transport) {}},
			{"resumed", server.Closing, func(t *http.Transport) { t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0) }},
			{"fresh", server.Keeping, func(t *http.Transport) { t.DisableKeepAlives = true }},
		} {
			newOperation := func() func() {
				client := newBareClient(b, server.CA, c.with)
				address := at("127.0.0.1", c.port).String() + api.path
				return func() {
					if err := bareProbe(client, address, api.body()); err != nil {
						b.Error(err)
					}
				}
			}
			b.Run(api.name+"/"+c.name, func(b *testing.B) { measure(b, newOperation()) })
			b.Run(api.name+"/"+c.name+"/flat-out", func(b *testing.B) { flatOut(b, newOperation) })
		}
	}
}

func newBareClient(b *testing.B, ca string, with func(*http.Transport)) *http.Client {
	b.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	with(transport)
	b.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func bareProbe(client *http.Client, address string, into any) error {
	response, err := client.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", response.Status)
	}
	return json.Unmarshal(body, into)
}
