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

	"session_exporter/probe/transport"
	"session_exporter/sessionapi"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/internal/leaktest"
	"session_exporter/simulator"
)

// serverVariable makes this test binary the benchmarks' server. In the same process, the
// server would add more CPU time than the code that is measured.
const serverVariable = "PROBE_BENCHMARK_SERVER"

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		benchmarkServer()
		return
	}
	leaktest.Main(m)
}

// benchmarkServer serves the APIs hcx and dr until its standard input is closed.
func benchmarkServer() {
	ca, err := simulator.NewCA()
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/admin/v1/sessions", reply{status: 200, header: map[string]string{"Content-Type": "application/json"}, body: hcxOK})
	mux.Handle("/session", reply{status: 200, header: map[string]string{"Content-Type": "application/json"}, body: drOK})
	server, err := ca.Serve(mux, "0.0.0.0:0", simulator.ServerOptions{Hosts: benchmarkHosts()})
	if err != nil {
		panic(err)
	}
	address := benchmarkAddress{CA: ca.PEM()}
	_, address.Port, _ = net.SplitHostPort(strings.TrimPrefix(server.URL(), "https://"))
	_ = json.NewEncoder(os.Stdout).Encode(address)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// benchmarkAddress is the port of the benchmarks' server and the certificate of its CA.
type benchmarkAddress struct{ Port, CA string }

// benchmarkHosts returns the addresses of the server.
func benchmarkHosts() (hosts []string) {
	for i := range 250 {
		hosts = append(hosts, fmt.Sprintf("127.0.0.%d", i+1))
	}
	return hosts
}

// at returns the URL of the server at one of its addresses.
func at(host, port string) *url.URL {
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}
}

// startServer starts the server in another process.
func startServer(b *testing.B) (address benchmarkAddress) {
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
	if err := json.Unmarshal(line, &address); err != nil {
		b.Fatal("the server printed", string(line), err)
	}
	return address
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure runs a benchmark of an operation, and reports its CPU time too.
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

// BenchmarkProbe measures one probe, with a built-in API and with the same API
// described in the configuration. BenchmarkBare measures the same request, sent by a bare
// client that reads and decodes the response. The connection is kept, or fresh for each
// probe.
func BenchmarkProbe(b *testing.B) {
	server := startServer(b)
	for _, api := range []string{"hcx", "dr"} {
		for _, c := range []struct {
			name string
			age  time.Duration
			as   sessionapi.API
		}{
			{"kept", 24 * time.Hour, builtIn[api]},
			{"kept/described", 24 * time.Hour, definition(api)},
			{"fresh", 0, builtIn[api]},
		} {
			e := endpointFor(api, sessionapi.AuthToken)
			e.URL, e.ConnectionMaxAge, e.SessionAPI = at("127.0.0.1", server.Port), c.age, c.as
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
	if r, err := p.Probe(b.Context(), Options{}); err != nil || r.State != sessionapi.Valid {
		b.Error(r.State, r.Diagnosis, err)
	}
}

// flatOut keeps all processors busy, which takes fewer wake-ups per probe than probing
// sequentially. Each goroutine has its own operation.
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

// BenchmarkKeptConnection measures the memory of an endpoint: its prober and its kept
// connection. All endpoints share a transport.
func BenchmarkKeptConnection(b *testing.B) {
	server := startServer(b)
	connection := &config.HTTP{TLS: promconfig.TLSConfig{CA: server.CA}}
	var endpoints []*config.Endpoint
	for _, host := range benchmarkHosts() {
		e := endpointFor("hcx", sessionapi.AuthToken)
		e.Name, e.URL, e.ConnectionMaxAge, e.HTTP = host, at(host, server.Port), 24*time.Hour, connection
		endpoints = append(endpoints, e)
	}
	var bytes int64
	for b.Loop() {
		generation := generationOf(b, endpoints...)
		before := inUse()
		var probers []*Prober
		for _, e := range endpoints {
			p := proberOf(b, generation, e)
			probeValid(b, p)
			probers = append(probers, p)
		}
		bytes += inUse() - before
		probers[0].client.Transport.CloseIdleConnections()
	}
	b.ReportMetric(float64(bytes)/float64(b.N*len(endpoints)), "B/endpoint")
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

// BenchmarkClassify measures the classification of an interpreted response.
func BenchmarkClassify(b *testing.B) {
	for name, x := range map[string]*exchange{
		"valid":       {step: sessionapi.Check, interpretation: sessionapi.Interpretation{State: sessionapi.Valid}, Exchange: transport.Exchange{Response: sessionapi.Response{Status: 200}}},
		"unreachable": {step: sessionapi.Check, Exchange: transport.Exchange{Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if x.state(sessionapi.AuthToken) == "" {
					b.Fatal("no state")
				}
			}
		})
	}
}

// BenchmarkInterpret measures the interpretation of a response.
func BenchmarkInterpret(b *testing.B) {
	for _, c := range []struct {
		name string
		api  sessionapi.API
		body string
	}{
		{"hcx", builtIn["hcx"], hcxOK},
		{"hcx/described", definition("hcx"), hcxOK},
		{"dr", builtIn["dr"], drOK},
		{"dr/described", definition("dr"), drOK},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c.api.Interpret(sessionapi.Check, sessionapi.Response{Status: 200, Body: []byte(c.body)}).State != sessionapi.Valid {
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
			with func(t *http.Transport)
		}{
			{"kept", func(*http.Transport) {}},
			{"fresh", func(t *http.Transport) { t.DisableKeepAlives = true }},
		} {
			newOperation := func() func() {
				client := newBareClient(b, server.CA, c.with)
				address := at("127.0.0.1", server.Port).String() + api.path
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
	plain := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	with(plain)
	b.Cleanup(plain.CloseIdleConnections)
	return &http.Client{Transport: plain}
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
		return fmt.Errorf("the response was %s", response.Status)
	}
	return json.Unmarshal(body, into)
}

// hcxBody and drBody are the bodies that the bare client decodes.
type hcxBody struct {
	Success   *bool    `json:"success"`
	Completed *bool    `json:"completed"`
	Time      *float64 `json:"time"` // Unix ms; a float takes any JSON number, however absurd
	Version   string   `json:"version"`
	ErrorCode string   `json:"errorCode"`
	Error     string   `json:"error"`
	Data      *struct {
		User *struct {
			Enterprise          string   `json:"enterprise"`
			Organizations       []string `json:"organization"`
			CurrentOrganization string   `json:"currentOrganization"`
			Roles               []string `json:"roles"`
			Username            string   `json:"username"`
			TransactionID       string   `json:"transactionId"`
		} `json:"user"`
	} `json:"data"`
}

type drBody struct {
	Username  string `json:"username"`
	SessionID string `json:"session_id"`
	ErrorCode string `json:"error_code"`
	Message   string `json:"message"`
	OpID      string `json:"op_id"`
}
