package collector

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// promised are the metrics that users' alerts and dashboards rely on.
var promised = map[string]struct {
	kind   dto.MetricType
	labels []string // besides those of the endpoint
}{
	"session_endpoint_info":                            {gauge, []string{"auth", "credential", "module", "url"}},
	"session_up":                                       {gauge, nil},
	"session_auth_success":                             {gauge, nil},
	"session_auth_timestamp_seconds":                   {gauge, nil},
	"session_state":                                    {gauge, []string{"state"}},
	"session_probes_total":                             {counter, nil},
	"session_probe_failures_total":                     {counter, nil},
	"session_errors_total":                             {counter, []string{"code"}},
	"session_probe_duration_seconds":                   {histogramKind, nil},
	"session_probe_phase_duration_seconds":             {gauge, []string{"phase"}},
	"session_http_status_code":                         {gauge, nil},
	"session_roles":                                    {gauge, nil},
	"session_organizations":                            {gauge, nil},
	"session_role_present":                             {gauge, []string{"role"}},
	"session_info":                                     {gauge, []string{"enterprise", "organization", "username", "version"}},
	"session_clock_skew_seconds":                       {gauge, nil},
	"session_negative_control_refused":                 {gauge, nil},
	"session_negative_control_timestamp_seconds":       {gauge, nil},
	"session_tls_certificate_expiry_timestamp_seconds": {gauge, nil},
	"session_credential_expiry_timestamp_seconds":      {gauge, []string{"source"}},
	"session_logins_total":                             {counter, nil},
	"session_login_failures_total":                     {counter, nil},
	"session_logins_unanswered_total":                  {counter, nil},
	"session_logouts_total":                            {counter, nil},
	"session_logout_failures_total":                    {counter, nil},
	"session_expirations_total":                        {counter, nil},
	"session_established_timestamp_seconds":            {gauge, nil},
	"session_lifetime_seconds":                         {gauge, nil},
	"session_login_suspended":                          {gauge, nil},
	"session_login_resume_timestamp_seconds":           {gauge, nil},
	"session_last_probe_timestamp_seconds":             {gauge, nil},
	"session_backoff_resume_timestamp_seconds":         {gauge, []string{"reason"}},
	"session_last_request_timestamp_seconds":           {gauge, nil},
	"session_last_success_timestamp_seconds":           {gauge, nil},
	"session_consecutive_failures":                     {gauge, nil},
}

// promisedOwn are those about the exporter, without labels of endpoints.
var promisedOwn = map[string]dto.MetricType{
	"session_exporter_config_last_reload_successful":                gauge,
	"session_exporter_config_last_reload_success_timestamp_seconds": gauge,
	"session_exporter_endpoints":                                    gauge,
	"session_exporter_probes_in_flight":                             gauge,
	"session_exporter_probe_delay_seconds":                          histogramKind,
	"session_exporter_probes_skipped_total":                         counter,
	"session_exporter_probe_panics_total":                           counter,
	"session_exporter_shard_info":                                   gauge,
	"session_exporter_sessions_held":                                gauge,
	"session_exporter_credential_suspended":                         gauge,
	"session_exporter_credential_refusals_total":                    counter,
	"session_exporter_credential_changed_timestamp_seconds":         gauge,
}

// everything returns a collector with a sample of every metric.
func everything(tb testing.TB) *Collector {
	tb.Helper()
	endpoints := append(failing(), hostile(), drEndpoint("dr"), withLabels("valid", map[string]string{"site": "a"}))
	c := watch(tb, newSettings(endpoints...), idle)
	c.metrics.credentials = func() []probe.CredentialStatus {
		return []probe.CredentialStatus{{Name: "monitor", Suspended: true, Refusals: 2, Changed: time.Unix(1767225600, 0)}}
	}
	results := failures()
	results[hostile().Name] = []probe.Result{hostileResult()}
	results["dr"] = []probe.Result{drValid()}
	results["valid"] = []probe.Result{hcxValid()}
	for _, target := range c.applied.Load().watched {
		for _, result := range results[target.endpoint.Name] {
			target.record(&result)
		}
	}
	return c
}

func TestPromisedMetrics(t *testing.T) {
	families := gather(t, everything(t))
	for name, family := range families {
		promise, ofEndpoints := promised[name]
		kind, own := promisedOwn[name]
		switch {
		case !ofEndpoints && !own:
			t.Errorf("%s is not promised", name)
			continue
		case ofEndpoints:
			kind = promise.kind
		}
		if family.GetType() != kind {
			t.Errorf("%s is a %s, want a %s", name, family.GetType(), kind)
		}
		want := []string{}
		if strings.HasPrefix(name, "session_exporter_credential_") {
			want = []string{"credential"}
		}
		if name == "session_exporter_shard_info" {
			want = []string{"shard", "shards"}
		}
		if ofEndpoints {
			want = append([]string{"endpoint", "api", "site"}, promise.labels...)
			slices.Sort(want)
		}
		for _, metric := range family.GetMetric() {
			got := []string{}
			for _, label := range metric.GetLabel() {
				got = append(got, label.GetName())
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s has labels %q, want %q", name, got, want)
			}
		}
	}
	for name := range promised {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range promisedOwn {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// A label of the configuration must not collide with one of the exporter's.
func TestLabelsAreReserved(t *testing.T) {
	for name, promise := range promised {
		for _, label := range append([]string{"endpoint", "api", "le"}, promise.labels...) {
			if !slices.Contains(config.ReservedLabels, label) {
				t.Errorf("label %q of %s is not reserved", label, name)
			}
		}
	}
}

func TestOneStateAtATime(t *testing.T) {
	states := map[string]string{}
	family := gather(t, everything(t))["session_state"]
	for _, metric := range family.GetMetric() {
		labels := valuesOf(metric)
		if metric.GetGauge().GetValue() == 1 {
			states[labels["endpoint"]] += labels["state"]
		}
	}
	for _, e := range failing() {
		if states[e.Name] != e.Name {
			t.Errorf("%s is in state %q", e.Name, states[e.Name])
		}
	}
	if want := len(sessionapi.States()) * (len(failing()) + 3); len(family.GetMetric()) != want {
		t.Errorf("%d series, want %d", len(family.GetMetric()), want)
	}
}

func TestPromlint(t *testing.T) {
	c := everything(t)
	problems, err := promlint.NewWithMetricFamilies(gatherFrom(t, c, allOf(t, c))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func valuesOf(metric *dto.Metric) map[string]string {
	values := make(map[string]string, len(metric.GetLabel()))
	for _, label := range metric.GetLabel() {
		values[label.GetName()] = label.GetValue()
	}
	return values
}
