package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// What Prometheus 3 sends without and with native histograms.
const (
	acceptText     = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	acceptProtobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + acceptText
)

func TestFormats(t *testing.T) {
	for _, tc := range []struct{ name, accept, contentType string }{
		{"nothing asked", "", "text/plain; version=0.0.4; charset=utf-8"},
		{"browser", "text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4; charset=utf-8"},
		{"text", "text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"},
		{"OpenMetrics", "application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"},
		{"Prometheus", acceptText, "application/openmetrics-text; version=1.0.0; charset=utf-8"},
		{"Prometheus with native histograms", acceptProtobuf, "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := ask(newHandler(t, newOptions()), "GET", "/metrics", "Accept", tc.accept)
			contentType, _, _ := strings.Cut(response.Header().Get("Content-Type"), "; escaping=")
			if contentType != tc.contentType {
				t.Errorf("content type %q, want %q", contentType, tc.contentType)
			}
			body := response.Body.String()
			if ends := strings.HasSuffix(body, "# EOF\n"); ends != strings.Contains(contentType, "openmetrics") {
				t.Errorf("ends with # EOF: %t", ends)
			}
			if !strings.Contains(contentType, "protobuf") {
				return
			}
			var family dto.MetricFamily
			decoder := expfmt.NewDecoder(strings.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
			for range 2 { // behind promhttp's own
				if err := decoder.Decode(&family); err != nil {
					t.Fatal(err)
				}
			}
			if family.GetName() != "session_up" || family.GetMetric()[0].GetGauge().GetValue() != 1 {
				t.Errorf("decoded %v", &family)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	plain := ask(newHandler(t, newOptions()), "GET", "/metrics").Body.String()
	for _, tc := range []struct{ name, accept, encoding, magic string }{
		{"nothing asked", "", "", "# HELP"},
		{"identity", "identity", "", "# HELP"},
		{"unknown", "br", "", "# HELP"},
		{"gzip", "gzip", "gzip", "\x1f\x8b"},
		{"zstd", "zstd", "zstd", "\x28\xb5\x2f\xfd"},
		{"zstd refused", "zstd;q=0, gzip", "gzip", "\x1f\x8b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := ask(newHandler(t, newOptions()), "GET", "/metrics", "Accept-Encoding", tc.accept)
			if encoding := response.Header().Get("Content-Encoding"); encoding != tc.encoding {
				t.Errorf("encoding %q, want %q", encoding, tc.encoding)
			}
			body := response.Body.String()
			if !strings.HasPrefix(body, tc.magic) {
				t.Errorf("body begins with %q, want %q", body[:min(6, len(body))], tc.magic)
			}
			if tc.encoding != "gzip" {
				return
			}
			reader, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if unpacked, err := io.ReadAll(reader); err != nil || string(unpacked) != plain {
				t.Errorf("unpacked to %q (%v), want %q", unpacked, err, plain)
			}
		})
	}
}

// A scraper that does not read its answer must not freeze everybody's.
func TestStuckScraper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOptions()
		value := prometheus.NewGauge(prometheus.GaugeOpts{Name: "value", Help: "Changes."})
		o.Registry.MustRegister(value)
		handler := newHandler(t, o)
		ctx, letGo := context.WithCancel(t.Context())
		defer letGo()
		go handler.ServeHTTP(&stuckWriter{ctx, http.Header{}}, httptest.NewRequestWithContext(ctx, "GET", "/metrics", http.NoBody))
		synctest.Wait()
		value.Set(42)
		if body := ask(handler, "GET", "/metrics").Body.String(); !strings.Contains(body, "\nvalue 42\n") {
			t.Errorf("a stale answer:\n%s", body)
		}
	})
}

// stuckWriter takes nothing until ctx is over.
type stuckWriter struct {
	ctx    context.Context
	header http.Header
}

func (w *stuckWriter) Header() http.Header { return w.header }
func (w *stuckWriter) WriteHeader(int)     {}
func (w *stuckWriter) Write([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

// One series that cannot be exposed is logged and counted, and hides no other.
func TestBrokenSeries(t *testing.T) {
	var logged bytes.Buffer
	o := newOptions()
	o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	desc := prometheus.NewDesc("broken", "Is.", nil, nil)
	o.Registry.MustRegister(broken{desc})
	handler := newHandler(t, o)
	for scrape := range 2 {
		response := ask(handler, "GET", "/metrics")
		body := response.Body.String()
		if response.Code != http.StatusOK || !strings.Contains(body, "\nsession_up 1\n") {
			t.Errorf("status %d, body %s", response.Code, body)
		}
		if want := fmt.Sprintf("promhttp_metric_handler_errors_total{cause=\"gathering\"} %d\n", scrape); !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if !strings.Contains(logged.String(), "level=ERROR") || !strings.Contains(logged.String(), "out of order") {
		t.Errorf("logged %q", logged.String())
	}
}

type broken struct{ desc *prometheus.Desc }

func (b broken) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }
func (b broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("out of order"))
}
