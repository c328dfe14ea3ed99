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
	"net/url"
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
	"session_exporter/sessionapi"
)

// The Accept headers of Prometheus 3 without and with native histograms.
const (
	acceptText     = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	acceptProtobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + acceptText
)

func TestFormats(t *testing.T) {
	for _, tc := range []struct{ name, accept, contentType string }{
		{"no Accept", "", "text/plain; version=0.0.4; charset=utf-8"},
		{"browser", "text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4; charset=utf-8"},
		{"text", "text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"},
		{"OpenMetrics", "application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"},
		{"Prometheus", acceptText, "application/openmetrics-text; version=1.0.0; charset=utf-8"},
		{"Prometheus with native histograms", acceptProtobuf, "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := send(newHandler(t, newOptions()), "GET", "/metrics", "Accept", tc.accept)
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
			for range 2 { // promhttp's own metric comes first
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
	plain := send(large, "GET", "/metrics").Body.String()
	for _, tc := range []struct{ name, accept, encoding, magic string }{
		{"no header", "", "", "# HELP"},
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
		{"a parameter besides the weight", "gzip;q=1;foo=bar", "gzip", "\x1f\x8b"},
		{"refused after another parameter", "gzip;foo=bar;q=0", "", "# HELP"},
		{"no parameter", "gzip;", "gzip", "\x1f\x8b"},
		{"malformed", "gzip;q, zstd;q=1;q=0, gzip/zstd/x", "", "# HELP"},
		{"partly malformed", " , ;q=1,zstd;q=,\tgzip", "gzip", "\x1f\x8b"},
		{"identity preferred", "gzip;q=0.5, identity", "", "# HELP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if encoding := send(small, "GET", "/metrics", "Accept-Encoding", tc.accept).Header().Get("Content-Encoding"); encoding != "" {
				t.Errorf("a small body is encoded: %s", encoding)
			}
			for range 2 { // the second reuses the first's encoder
				response := send(large, "GET", "/metrics", "Accept-Encoding", tc.accept)
				if encoding := response.Header().Get("Content-Encoding"); encoding != tc.encoding {
					t.Errorf("encoding %q, want %q", encoding, tc.encoding)
				}
				if vary := response.Header().Values("Vary"); !slices.Equal(vary, []string{"Accept", "Accept-Encoding"}) {
					t.Errorf("Vary is %q", vary)
				}
				body := response.Body.String()
				if !strings.HasPrefix(body, tc.magic) {
					t.Errorf("body begins with %q, want %q", body[:min(6, len(body))], tc.magic)
				}
				if decompressed := decompress(t, tc.encoding, body); decompressed != plain {
					t.Errorf("decompressed to %d bytes, want %d", len(decompressed), len(plain))
				}
			}
		})
	}
}

func decompress(t *testing.T, encoding, body string) string {
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
	decompressed, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(decompressed)
}

// The response is the same as promhttp's for every format and filter.
func TestSameAsPromhttp(t *testing.T) {
	o := newOptions()
	o.Registry = prometheus.NewRegistry()
	o.Registry.MustRegister(o.Collector.ExporterMetrics(), prometheus.NewGauge(prometheus.GaugeOpts{Name: "session_p", Help: "Sorted between metrics of endpoints."}))
	settings := &config.Config{
		LabelNames:  []string{"site"},
		MetricsDeny: []*regexp.Regexp{regexp.MustCompile("^(?:session_login.*|session_exporter_s.*|session_errors_total)$")},
	}
	for i := range 30 {
		settings.Endpoints = append(settings.Endpoints, &config.Endpoint{
			Name: fmt.Sprint(i), URL: &url.URL{Scheme: "https", Host: "a.test"},
			Settings: config.Settings{API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Credential: &config.Credential{Name: "c"}, Interval: time.Minute},
		})
	}
	if err := o.Collector.Apply(settings, func(*config.Endpoint) (collector.Prober, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	ours := newHandler(t, o)
	theirs := promhttp.HandlerFor(o.Collector.Filter(prometheus.Gatherers{o.Registry, o.Collector.Endpoints()}), promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true})
	for _, query := range []string{"", "?name[]=session_state&name[]=session_p", "?name[]=nothing"} {
		for _, accept := range []string{
			"", "text/html", "text/plain;version=0.0.4;escaping=dots", "application/openmetrics-text;version=0.0.1", acceptText, acceptProtobuf,
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text",
		} {
			got, want := send(ours, "GET", "/metrics"+query, "Accept", accept), send(theirs, "GET", "/metrics"+query, "Accept", offered(accept))
			if got.Header().Get("Content-Type") != want.Header().Get("Content-Type") {
				t.Errorf("%q: %s, want %s", accept, got.Header(), want.Header())
			}
			if got.Body.String() != want.Body.String() {
				t.Errorf("%q%s: %.2000s\nwant\n%.2000s", accept, query, got.Body, want.Body)
			}
		}
	}
}

// offered returns an Accept header, or that of the text format if the header accepts only
// formats that the exporter does not offer.
func offered(accept string) string {
	for _, other := range []string{"encoding=text", "encoding=compact-text", "version=2.0.0"} {
		if strings.HasSuffix(accept, other) {
			return "text/plain;version=0.0.4"
		}
	}
	return accept
}

// A scraper that does not read its response must not block other scrapes.
func TestStuckScraper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOptions()
		value := prometheus.NewGauge(prometheus.GaugeOpts{Name: "value", Help: "Changes."})
		o.Registry.MustRegister(value)
		handler := newHandler(t, o)
		ctx, release := context.WithCancel(t.Context())
		defer release()
		go handler.ServeHTTP(&stuckWriter{ctx, http.Header{}}, httptest.NewRequestWithContext(ctx, "GET", "/metrics", http.NoBody))
		synctest.Wait()
		value.Set(42)
		if body := send(handler, "GET", "/metrics").Body.String(); !strings.Contains(body, "\nvalue 42\n") {
			t.Errorf("stale response:\n%s", body)
		}
	})
}

// At maxScrapes scrapes in flight, further scrapes are refused, but no other requests.
func TestTooManyScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newHandler(t, newOptions())
		ctx, release := context.WithCancel(t.Context())
		defer release()
		for i := range maxScrapes {
			if response := send(handler, "GET", "/metrics"); response.Code != http.StatusOK {
				t.Fatalf("with %d others in flight: status %d", i, response.Code)
			}
			accept := []string{"text/plain", acceptProtobuf}[i%2]
			request := httptest.NewRequestWithContext(ctx, "GET", "/metrics", http.NoBody)
			request.Header.Set("Accept", accept)
			go handler.ServeHTTP(&stuckWriter{ctx, http.Header{}}, request)
			synctest.Wait()
		}
		response := send(handler, "GET", "/metrics")
		if body := response.Body.String(); response.Code != http.StatusServiceUnavailable || body != "40 scrapes are in progress, which is the limit; try again later.\n" {
			t.Errorf("with maxScrapes others in flight: status %d, %s", response.Code, body)
		}
		if response := send(handler, "GET", "/-/healthy"); response.Code != http.StatusOK {
			t.Errorf("another page: status %d", response.Code)
		}
		release()
		synctest.Wait()
		if response := send(handler, "GET", "/metrics"); response.Code != http.StatusOK {
			t.Errorf("after the others: status %d", response.Code)
		}
	})
}

// stuckWriter blocks all writes until ctx is done.
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

// A series that cannot be exposed is logged and counted, and hides no other.
func TestBrokenSeries(t *testing.T) {
	var logged bytes.Buffer
	o := newOptions()
	o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	desc := prometheus.NewDesc("broken", "Cannot be collected.", nil, nil)
	o.Registry.MustRegister(brokenCollector{desc})
	handler := newHandler(t, o)
	for scrape := range 2 {
		response := send(handler, "GET", "/metrics")
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

type brokenCollector struct{ desc *prometheus.Desc }

func (b brokenCollector) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }
func (b brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("out of order"))
}
