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

// bare is what the exporter is compared with: it asks the same of the same
// appliances at the same times, with net/http's client and nothing else. It holds
// no session, judges nothing, and remembers nothing.
type bare struct {
	CA       string
	URLs     []string
	Interval time.Duration
	Address  string // where it serves its metrics
}

// bareWindow is how long each of the parts is into which an interval falls: what is
// due in one is asked at once.
const bareWindow = 100 * time.Millisecond

// bareUp is how many have answered when they were asked last.
const bareUp = "session_exporter_bare_up"

// runBare reads a bare from standard input, and asks until ctx is cancelled.
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
	asked := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "session_exporter_probe_delay_seconds", Buckets: prometheus.DefBuckets})
	skipped := prometheus.NewCounter(prometheus.CounterOpts{Name: "session_exporter_probes_skipped_total"})
	up := make(answers, len(b.URLs))
	registry := prometheus.NewRegistry()
	registry.MustRegister(asked, skipped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: bareUp}, up.count), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	go b.ask(ctx, client, func(i int, late time.Duration, err error) {
		asked.Observe(late.Seconds())
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

// answers say of each URL whether it has answered when it was asked last.
type answers []atomic.Bool

func (a answers) count() float64 {
	n := 0
	for i := range a {
		if a[i].Load() {
			n++
		}
	}
	return float64(n)
}

// ask asks all, a part of them in each window.
func (b *bare) ask(ctx context.Context, client *http.Client, done func(i int, late time.Duration, err error)) {
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
			go func() { done(i, time.Since(due), askOne(ctx, client, b.URLs[i])) }()
		}
	}
}

func askOne(ctx context.Context, client *http.Client, address string) error {
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
	var answer struct {
		Data struct {
			User struct{ Username string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if answer.Data.User.Username == "" {
		return fmt.Errorf("%s: %s names nobody", address, response.Status)
	}
	return nil
}
