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
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
	"session_exporter/config"
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
	o := newOptions()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many", Help: "Many."}, []string{"label"})
	for i := range 5000 {
		many.WithLabelValues(fmt.Sprint(i)).Set(float64(i))
	}
	small := newHandler(t, o)
	o = newOptions()
	o.Registry.MustRegister(many)
	large := newHandler(t, o)
	plain := ask(large, "GET", "/metrics").Body.String()
	for _, tc := range []struct{ name, accept, encoding, magic string }{
		{"nothing asked", "", "", "# HELP"},
		{"identity", "identity", "", "# HELP"},
		{"unknown", "br", "", "# HELP"},
		{"gzip", "gzip", "gzip", "\x1f\x8b"},
		{"zstd", "zstd", "zstd", "\x28\xb5\x2f\xfd"},
		{"both", "gzip, deflate, zstd", "zstd", "\x28\xb5\x2f\xfd"},
		{"weighted", "zstd;q=0.5, GZIP ; q=0.6", "gzip", "\x1f\x8b"},
		{"zstd refused", "zstd;q=0, gzip", "gzip", "\x1f\x8b"},
		{"all refused", "gzip;q=0,zstd;q=none", "", "# HELP"},
		{"refused in capitals", "gzip;Q=0, ZSTD; Q=0.0", "", "# HELP"},
		{"weighted in capitals", "gzip;Q=0.2, zstd;Q=0.1", "gzip", "\x1f\x8b"},
		{"more than a weight", "gzip;q=1;foo=bar", "gzip", "\x1f\x8b"},
		{"refused behind more", "gzip;foo=bar;q=0", "", "# HELP"},
		{"no parameter", "gzip;", "gzip", "\x1f\x8b"},
		{"written wrong", "gzip;q, zstd;q=1;q=0, gzip/zstd/x", "", "# HELP"},
		{"not all written wrong", " , ;q=1,zstd;q=,\tgzip", "gzip", "\x1f\x8b"},
		{"identity preferred", "gzip;q=0.5, identity", "", "# HELP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if encoding := ask(small, "GET", "/metrics", "Accept-Encoding", tc.accept).Header().Get("Content-Encoding"); encoding != "" {
				t.Errorf("a small page is encoded: %s", encoding)
			}
			for range 2 { // the second with the first's encoder
				response := ask(large, "GET", "/metrics", "Accept-Encoding", tc.accept)
				if encoding := response.Header().Get("Content-Encoding"); encoding != tc.encoding {
					t.Errorf("encoding %q, want %q", encoding, tc.encoding)
				}
				if vary := response.Header().Values("Vary"); !slices.Equal(vary, []string{"Accept", "Accept-Encoding"}) {
					t.Errorf("it varies with %q", vary)
				}
				body := response.Body.String()
				if !strings.HasPrefix(body, tc.magic) {
					t.Errorf("body begins with %q, want %q", body[:min(6, len(body))], tc.magic)
				}
				if unpacked := unpack(t, tc.encoding, body); unpacked != plain {
					t.Errorf("unpacked to %d bytes, want %d", len(unpacked), len(plain))
				}
			}
		})
	}
}

func unpack(t *testing.T, encoding, body string) string {
	t.Helper()
	var reader io.Reader = strings.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		reader, err = gzip.NewReader(reader)
	case "zstd":
		reader, err = zstd.NewReader(reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(unpacked)
}

// What is served is what client_golang would serve, whatever is asked for.
func TestSameAsClientGolang(t *testing.T) {
	o := newOptions()
	o.Registry = prometheus.NewRegistry()
	o.Registry.MustRegister(o.Collector.Own(), prometheus.NewGauge(prometheus.GaugeOpts{Name: "session_p", Help: "Between."}))
	settings := &config.Config{
		LabelNames:  []string{"site"},
		MetricsDeny: []*regexp.Regexp{regexp.MustCompile("^(?:session_login.*|session_exporter_s.*|session_errors_total)$")},
	}
	for i := range 30 {
		settings.Endpoints = append(settings.Endpoints, &config.Endpoint{Name: fmt.Sprint(i), Settings: config.Settings{API: "hcx", Interval: time.Minute}})
	}
	if err := o.Collector.Apply(settings, func(*config.Endpoint) (collector.Prober, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	ours := newHandler(t, o)
	endpoints := prometheus.NewRegistry()
	endpoints.MustRegister(o.Collector.Endpoints())
	theirs := promhttp.HandlerFor(o.Collector.Filter(prometheus.Gatherers{o.Registry, endpoints}), promhttp.HandlerOpts{EnableOpenMetrics: true})
	for _, query := range []string{"", "?name[]=session_state&name[]=session_p", "?name[]=nothing"} {
		for _, accept := range []string{
			"", "text/html", "text/plain;version=0.0.4;escaping=dots", "application/openmetrics-text;version=0.0.1", acceptText, acceptProtobuf,
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text",
		} {
			got, want := ask(ours, "GET", "/metrics"+query, "Accept", accept), ask(theirs, "GET", "/metrics"+query, "Accept", accept)
			if got.Header().Get("Content-Type") != want.Header().Get("Content-Type") {
				t.Errorf("%q: %s, want %s", accept, got.Header(), want.Header())
			}
			// Protobuf as text has random spaces, to be relied upon by nobody.
			if !strings.HasSuffix(accept, "text") && got.Body.String() != want.Body.String() {
				t.Errorf("%q%s: %.2000s\nwant\n%.2000s", accept, query, got.Body, want.Body)
			}
		}
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

// Of scrapers that do not read, so many keep the others out, and nothing else.
func TestTooManyScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newHandler(t, newOptions())
		ctx, letGo := context.WithCancel(t.Context())
		defer letGo()
		for i := range maxScrapes {
			if response := ask(handler, "GET", "/metrics"); response.Code != http.StatusOK {
				t.Fatalf("beside %d others: status %d", i, response.Code)
			}
			accept := []string{"text/plain", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"}[i%2]
			request := httptest.NewRequestWithContext(ctx, "GET", "/metrics", http.NoBody)
			request.Header.Set("Accept", accept)
			go handler.ServeHTTP(&stuckWriter{ctx, http.Header{}}, request)
			synctest.Wait()
		}
		response := ask(handler, "GET", "/metrics")
		if body := response.Body.String(); response.Code != http.StatusServiceUnavailable || body != "40 scrapes are being answered, which is as many as there may be; try again later.\n" {
			t.Errorf("one too many: status %d, %s", response.Code, body)
		}
		if response := ask(handler, "GET", "/-/healthy"); response.Code != http.StatusOK {
			t.Errorf("another page: status %d", response.Code)
		}
		letGo()
		synctest.Wait()
		if response := ask(handler, "GET", "/metrics"); response.Code != http.StatusOK {
			t.Errorf("when they have gone: status %d", response.Code)
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
