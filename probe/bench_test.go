package probe

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
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
	server, err := ca.Serve(mux, "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		panic(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode([]string{server.URL(), ca.PEM()})
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startServer starts it as a process of its own.
func startServer(b *testing.B) (address *url.URL, ca string) {
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
	var said []string
	if err := json.Unmarshal(line, &said); err != nil || len(said) != 2 {
		b.Fatal("the server said", said, err)
	}
	if address, err = url.Parse(said[0]); err != nil {
		b.Fatal(err)
	}
	return address, said[1]
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

// BenchmarkProbe is one probe over a kept connection, by a built-in API and by
// the same as the configuration describes it, BenchmarkBare what the same request
// costs a bare client that reads and decodes the answer.
func BenchmarkProbe(b *testing.B) {
	address, ca := startServer(b)
	for _, api := range []string{"hcx", "dr"} {
		for _, custom := range []*config.Definition{nil, definition(api)} {
			name := api + "/keepalive"
			if custom != nil {
				name = api + "/custom"
			}
			b.Run(name, func(b *testing.B) {
				e := endpointFor(api, config.AuthToken)
				e.URL, e.ConnectionMaxAge, e.Custom = address, 24*time.Hour, custom
				e.HTTP.TLS = promconfig.TLSConfig{CA: ca}
				p := newProber(b, e)
				measure(b, func() {
					if r, err := p.Probe(b.Context()); err != nil || r.State != Valid {
						b.Fatal(r.State, r.Diagnosis, err)
					}
				})
			})
		}
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
	address, ca := startServer(b)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	b.Cleanup(client.CloseIdleConnections)
	for _, c := range []struct {
		api, path string
		body      func() any
	}{
		{"hcx", "/api/admin/v1/sessions", func() any { return new(hcxBody) }},
		{"dr", "/session", func() any { return new(drBody) }},
	} {
		b.Run(c.api, func(b *testing.B) {
			measure(b, func() {
				if err := bareProbe(client, address.String()+c.path, c.body()); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
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
