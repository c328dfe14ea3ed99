package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// bare is the client that the exporter is compared with: it sends the same requests to
// the same appliances at the same times, with only net/http's client. It holds no
// sessions, judges nothing, and remembers nothing.
type bare struct {
	CA       string
	URLs     []string
	Interval time.Duration
	Address  string // where it serves its metrics
}

// bareWindow is the granularity of the schedule: requests that are due within a window
// are sent together.
const bareWindow = 100 * time.Millisecond

// bareUp counts the endpoints that responded to their last request.
const bareUp = "session_exporter_bare_up"

// runBare decodes a bare from standard input and runs it until ctx is canceled.
func runBare(ctx context.Context) error {
	var b bare
	if err := json.NewDecoder(os.Stdin).Decode(&b); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(b.CA)) {
		return errors.New("the CA has no certificate")
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ReadBufferSize:  1 << 10, WriteBufferSize: 1 << 10,
	}}
	delay := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "session_exporter_probe_delay_seconds", Buckets: prometheus.DefBuckets})
	skipped := prometheus.NewCounter(prometheus.CounterOpts{Name: "session_exporter_probes_skipped_total"})
	up := make(responding, len(b.URLs))
	registry := prometheus.NewRegistry()
	registry.MustRegister(delay, skipped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: bareUp}, up.count), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	go b.requestAll(ctx, client, func(i int, late time.Duration, err error) {
		delay.Observe(late.Seconds())
		up[i].Store(err == nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			skipped.Inc()
		}
	})
	server := &http.Server{Addr: b.Address, Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// responding reports for each URL whether its last request got a response.
type responding []atomic.Bool

func (a responding) count() float64 {
	n := 0
	for i := range a {
		if a[i].Load() {
			n++
		}
	}
	return float64(n)
}

// requestAll sends a request to each URL once per interval, spread over the windows.
func (b *bare) requestAll(ctx context.Context, client *http.Client, done func(i int, late time.Duration, err error)) {
	windows := max(int(b.Interval/bareWindow), 1)
	ticks := time.NewTicker(bareWindow)
	defer ticks.Stop()
	for window := 0; ; window++ {
		var due time.Time
		select {
		case <-ctx.Done():
			return
		case due = <-ticks.C:
		}
		for i := window % windows; i < len(b.URLs); i += windows {
			go func() { done(i, time.Since(due), requestOne(ctx, client, b.URLs[i])) }()
		}
	}
}

func requestOne(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	request.SetBasicAuth("monitor", password)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var decoded struct {
		Data struct {
			User struct{ Username string }
		}
	}
	if err := json.Unmarshal(body, &decoded); err != nil {
		return err
	}
	if decoded.Data.User.Username == "" {
		return fmt.Errorf("%s: %s has no username", address, response.Status)
	}
	return nil
}
