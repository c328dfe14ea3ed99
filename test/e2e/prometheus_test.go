package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/simulator"
)

// demoMetrics are metrics that dashboards and alerts depend on, and that the demo has. Those
// of optional features, such as negative controls, are not among them.
var demoMetrics = []string{
	"session_up",
	"session_auth_success",
	"session_auth_timestamp_seconds",
	"session_state",
	"session_probes_total",
	"session_probe_failures_total",
	"session_errors_total",
	"session_probe_duration_seconds",
	"session_probe_duration_seconds_bucket",
	"session_probe_phase_duration_seconds",
	"session_http_status_code",
	"session_roles",
	"session_organizations",
	"session_role_present",
	"session_info",
	"session_clock_skew_seconds",
	"session_tls_certificate_expiry_timestamp_seconds",
	"session_credential_expiry_timestamp_seconds",
	"session_logins_total",
	"session_login_failures_total",
	"session_logins_unanswered_total",
	"session_logouts_total",
	"session_logout_failures_total",
	"session_expirations_total",
	"session_established_timestamp_seconds",
	"session_lifetime_seconds",
	"session_login_suspended",
	"session_login_resume_timestamp_seconds",
	"session_last_probe_timestamp_seconds",
	"session_last_success_timestamp_seconds",
	"session_consecutive_failures",
	"session_exporter_build_info",
	"session_exporter_config_last_reload_successful",
	"session_exporter_config_last_reload_success_timestamp_seconds",
	"session_exporter_endpoints",
	"session_exporter_probes_in_flight",
	"session_exporter_probe_delay_seconds",
	"session_exporter_probe_delay_seconds_bucket",
	"session_exporter_probes_skipped_total",
	"session_exporter_probe_panics_total",
	"session_exporter_sessions_held",
	"session_exporter_credential_suspended",
	"session_exporter_credential_refusals_total",
	"session_exporter_credential_changed_timestamp_seconds",
}

// TestPrometheus: a real Prometheus scrapes the demo and has all of demoMetrics.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: sessions
    scrape_native_histograms: true
    always_scrape_classic_histograms: true
    static_configs: [{targets: [%q]}]
`, x.url[len("http://"):]))
	server := launch(t, tool(t, "prometheus"), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage", "--log.format=logfmt")
	p := prometheus("http://" + server.address(t))

	eventually(t, func() error {
		if _, err := p.query(`up == 1`); err != nil {
			return fmt.Errorf("%w\n%s", err, server.lastLines())
		}
		return nil
	})
	// session_lifetime_seconds appears last, when an appliance terminates a session after 20 s.
	for _, name := range demoMetrics {
		p.eventually(t, fmt.Sprintf(`count({__name__=%q, job="sessions"})`, name))
	}
	for _, query := range []string{
		`histogram_quantile(0.9, sum(rate(session_probe_duration_seconds[1m])))`,
		`histogram_quantile(0.9, sum by (le) (rate(session_probe_duration_seconds_bucket[1m])))`,
		`histogram_quantile(0.9, sum(rate(session_exporter_probe_delay_seconds[1m])))`,
		`histogram_quantile(0.9, sum by (le) (rate(session_exporter_probe_delay_seconds_bucket[1m])))`,
		// Queries of alerts and dashboards.
		`count(session_auth_success == 0)`,
		`count(session_up{api="hcx"} == 1)`,
		`count(session_up{api="dr"} == 1)`,
		`count(session_up{api="hcx-hybridity"} == 1)`,
		`count(session_state == 1)`,
		`sum(rate(session_errors_total[1m])) > 0`,
		`min(session_credential_expiry_timestamp_seconds - time()) > 0`,
		`min(session_tls_certificate_expiry_timestamp_seconds - time()) < 0`,
	} {
		p.eventually(t, query)
	}
	for _, label := range []string{"transactionId", "op_id"} {
		eventually(t, func() error { return p.hasExemplar(label) })
	}
}

// TestFirstFailureAfterReload: an endpoint that a reload adds fails before it is scraped.
// Prometheus shows the failure, because it knows when the counter started at 0.
func TestFirstFailureAfterReload(t *testing.T) {
	t.Parallel()
	kept, added := newHCX(t, withAccount(password)), newDR(t, with(withAccount(password), simulator.Fault{On: simulator.Login, Status: 503}))
	secret := secretFile(t, password)
	file := configFile(t, listing(secret, kept.endpoint("kept", "hcx")))
	x := listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0")
	target, err := url.Parse(x.url)
	if err != nil {
		t.Fatal(err)
	}
	var scraping sync.RWMutex // locked for writing to hold back scrapes
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scraping.RLock()
		defer scraping.RUnlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	dir := t.TempDir()
	var jobs strings.Builder
	for _, protocol := range []string{"PrometheusProto", "OpenMetricsText1.0.0"} {
		fmt.Fprintf(&jobs, `
  - job_name: %[1]s
    scrape_protocols: [%[1]s]
    static_configs: [{targets: [%[2]q]}]
`, protocol, front.URL[len("http://"):])
	}
	server := launch(t, tool(t, "prometheus"), "--config.file="+write(t, filepath.Join(dir, "prometheus.yml"), "global: {scrape_interval: 1s}\nscrape_configs:"+jobs.String()),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--enable-feature=created-timestamp-zero-ingestion", "--log.format=logfmt")
	p := prometheus("http://" + server.address(t))
	p.eventually(t, `count(session_up{endpoint="kept"}) == 2`)

	scraping.Lock()
	write(t, file, listing(secret, kept.endpoint("kept", "hcx"), strings.TrimSuffix(added.endpoint("added", "dr"), "}")+", interval: 1h}"))
	x.await(t, want{"session_exporter_endpoints": 2})
	if status, text := x.post(t, "/-/probe?endpoint=added"); status != http.StatusOK || !strings.HasPrefix(text, "server_error\n") {
		t.Fatalf("status %d: %s", status, text)
	}
	x.await(t, want{`session_probe_failures_total{endpoint="added"}`: 1})
	scraping.Unlock()
	for _, metric := range []string{"session_probe_failures_total", "session_login_failures_total", "session_probe_duration_seconds_count"} {
		p.eventually(t, fmt.Sprintf(`count(increase(%s{endpoint="added"}[5m]) >= 1) == 2`, metric))
	}
}

// prometheus is the address of a Prometheus server.
type prometheus string

// eventually waits until a query returns one number.
func (p prometheus) eventually(t *testing.T, query string) {
	t.Helper()
	eventually(t, func() error {
		_, err := p.query(query)
		return err
	})
}

// query returns the current value of an expression, which must have exactly one result.
func (p prometheus) query(expression string) (float64, error) {
	var vector struct {
		Result []struct{ Value [2]any }
	}
	if err := p.get("/api/v1/query", url.Values{"query": {expression}}, &vector); err != nil {
		return 0, err
	}
	if len(vector.Result) != 1 {
		return 0, fmt.Errorf("%s gives %d results, want 1", expression, len(vector.Result))
	}
	text, _ := vector.Result[0].Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) {
		return 0, fmt.Errorf("%s gives %q", expression, text)
	}
	return value, nil
}

// values returns the values of a label in an expression's current result.
func (p prometheus) values(expression, label string) ([]string, error) {
	var vector struct {
		Result []struct{ Metric map[string]string }
	}
	err := p.get("/api/v1/query", url.Values{"query": {expression}}, &vector)
	values := make([]string, len(vector.Result))
	for i, series := range vector.Result {
		values[i] = series.Metric[label]
	}
	return values, err
}

// hasExemplar returns an error unless the histogram of durations has an exemplar with the
// label of an appliance's operation ID.
func (p prometheus) hasExemplar(label string) error {
	var series []struct {
		Exemplars []struct{ Labels map[string]string }
	}
	now := time.Now()
	if err := p.get("/api/v1/query_exemplars", url.Values{
		"query": {"session_probe_duration_seconds"}, "start": {fmt.Sprint(now.Add(-time.Hour).Unix())}, "end": {fmt.Sprint(now.Add(time.Hour).Unix())},
	}, &series); err != nil {
		return err
	}
	for _, s := range series {
		for _, exemplar := range s.Exemplars {
			if exemplar.Labels[label] != "" {
				return nil
			}
		}
	}
	return fmt.Errorf("no exemplar of %d series has %s", len(series), label)
}

// get sends a request to Prometheus' API, and decodes the response's data.
func (p prometheus) get(path string, query url.Values, data any) error {
	response, err := http.Get(string(p) + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	result := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		return err
	}
	if result.Status != "success" {
		return fmt.Errorf("%s: %s", query, result.Error)
	}
	return nil
}
