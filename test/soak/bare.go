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
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// bare is the client that the exporter is compared with, the reference of the tables. It
// sends checks to the same appliances at the same intervals, with net/http's client and
// Basic authentication. It holds no sessions, and keeps only each endpoint's newest response.
type bare struct {
	CA       string
	URLs     []string
	Interval time.Duration // of the requests to an endpoint; 0 to send them only on demand
	Address  string        // to serve metrics at
}

// bareWindow is the granularity of the schedule: requests that are due within a window
// are sent together.
const bareWindow = 100 * time.Millisecond

// bareUp is the metric of the number of endpoints whose last response names a user.
const bareUp = "session_exporter_bare_up"

// runBare runs the client that a file describes until ctx is canceled.
func runBare(ctx context.Context, file string) error {
	description, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var b bare
	if err := json.Unmarshal(description, &b); err != nil {
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
	// Failed requests count as skipped, so that the run fails.
	skipped := prometheus.NewCounter(prometheus.CounterOpts{Name: "session_exporter_probes_skipped_total"})
	endpoints := newBareEndpoints(b.URLs)
	registry := prometheus.NewRegistry()
	registry.MustRegister(delay, skipped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: bareUp}, func() float64 { return countUp(endpoints) }), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	if b.Interval > 0 {
		go b.requestAll(ctx, func(i int, late time.Duration) {
			delay.Observe(late.Seconds())
			if err := endpoints[i].request(ctx, client); err != nil {
				fmt.Fprintln(os.Stderr, err)
				skipped.Inc()
			}
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/probe", func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.FormValue("endpoint"))
		if err != nil || i < 0 || i >= len(endpoints) {
			http.NotFound(w, r)
			return
		}
		_ = endpoints[i].request(r.Context(), client) // its series show the failure
		_, _ = w.Write(endpoints[i].appendSeries(nil))
	})
	own := promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		own.ServeHTTP(w, r)
		var page []byte
		for i := range endpoints {
			page = endpoints[i].appendSeries(page[:0])
			_, _ = w.Write(page)
		}
	})
	server := &http.Server{Addr: b.Address, Handler: mux, ReadHeaderTimeout: time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// requestAll calls request once per interval for each endpoint, spread over the windows.
func (b *bare) requestAll(ctx context.Context, request func(i int, late time.Duration)) {
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
			go func() { request(i, time.Since(due)) }()
		}
	}
}

// bareEndpoint is an endpoint of the bare client.
type bareEndpoint struct {
	url, labels string

	mu               sync.Mutex // guards the fields below
	probes, failures int
	lastSuccess      time.Time
	newest           bareResponse
}

// bareResponse is the result of one request.
type bareResponse struct {
	up          bool // the response names a user
	start       time.Time
	took        time.Duration
	status      int
	size        int
	certificate time.Time // its expiry
	body        struct {
		Success, Completed bool
		Time               float64 // Unix ms
		Version            string
		Data               struct {
			User struct {
				Username, Enterprise, CurrentOrganization, TransactionID string
				Organization, Roles                                      []string
			}
		}
	}
}

func newBareEndpoints(urls []string) []bareEndpoint {
	endpoints := make([]bareEndpoint, len(urls))
	for i, url := range urls {
		endpoints[i].url, endpoints[i].labels = url, fmt.Sprintf("endpoint=%q", url)
	}
	return endpoints
}

// countUp counts the endpoints whose last response names a user.
func countUp(endpoints []bareEndpoint) (n float64) {
	for i := range endpoints {
		e := &endpoints[i]
		e.mu.Lock()
		if e.newest.up {
			n++
		}
		e.mu.Unlock()
	}
	return n
}

// request sends one request and records the response.
func (e *bareEndpoint) request(ctx context.Context, client *http.Client) error {
	response, err := requestOne(ctx, client, e.url)
	e.record(response, err)
	return err
}

func (e *bareEndpoint) record(r bareResponse, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.up = err == nil
	e.newest = r
	e.probes++
	if err != nil {
		e.failures++
		return
	}
	e.lastSuccess = r.start
}

// appendSeries appends the 15 series of the endpoint.
func (e *bareEndpoint) appendSeries(to []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, user := &e.newest, &e.newest.body.Data.User
	for _, series := range []struct {
		name  string
		value float64
	}{
		{"up", one(r.up)},
		{"success", one(r.body.Success)},
		{"completed", one(r.body.Completed)},
		{"status", float64(r.status)},
		{"body_bytes", float64(r.size)},
		{"duration_seconds", r.took.Seconds()},
		{"start_seconds", float64(r.start.UnixMilli()) / 1e3},
		{"server_time_seconds", r.body.Time / 1e3},
		{"clock_skew_seconds", r.body.Time/1e3 - float64(r.start.Add(r.took/2).UnixMilli())/1e3},
		{"certificate_expiry_seconds", float64(r.certificate.Unix())},
		{"roles", float64(len(user.Roles))},
		{"last_success_seconds", float64(e.lastSuccess.Unix())},
		{"probes_total", float64(e.probes)},
		{"failures_total", float64(e.failures)},
	} {
		to = fmt.Appendf(to, "bare_%s{%s} %v\n", series.name, e.labels, series.value)
	}
	return fmt.Appendf(to, "bare_info{%s,username=%q,organization=%q,version=%q} 1\n", e.labels, user.Username, user.CurrentOrganization, r.body.Version)
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func requestOne(ctx context.Context, client *http.Client, address string) (r bareResponse, err error) {
	r.start = time.Now()
	defer func() { r.took = time.Since(r.start) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return r, err
	}
	request.SetBasicAuth("monitor", password)
	response, err := client.Do(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return r, err
	}
	r.status, r.size = response.StatusCode, len(body)
	if response.TLS != nil {
		r.certificate = response.TLS.PeerCertificates[0].NotAfter
	}
	if err := json.Unmarshal(body, &r.body); err != nil {
		return r, err
	}
	if r.body.Data.User.Username == "" {
		return r, fmt.Errorf("%s: %s has no username", address, response.Status)
	}
	return r, nil
}
