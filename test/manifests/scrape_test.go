package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	corev1 "k8s.io/api/core/v1"
)

// relabeled applies Prometheus' relabeling to a label set. The result is empty if the
// target is dropped.
func relabeled(t *testing.T, set labels.Labels, rules []monitoringv1.RelabelConfig) labels.Labels {
	t.Helper()
	builder := labels.NewBuilder(set)
	for _, rule := range rules {
		config := relabel.DefaultRelabelConfig
		config.NameValidationScheme = model.UTF8Validation
		for _, name := range rule.SourceLabels {
			config.SourceLabels = append(config.SourceLabels, model.LabelName(name))
		}
		if rule.Separator != nil {
			config.Separator = *rule.Separator
		}
		if rule.Replacement != nil {
			config.Replacement = *rule.Replacement
		}
		config.TargetLabel = rule.TargetLabel
		config.Action = relabel.Action(cmp.Or(rule.Action, string(relabel.Replace)))
		config.Regex = relabel.MustNewRegexp(cmp.Or(rule.Regex, relabel.DefaultRelabelConfig.Regex.String()))
		must(t, config.Validate(model.UTF8Validation))
		if !relabel.ProcessBuilder(builder, &config) {
			return labels.EmptyLabels()
		}
	}
	if builder.Get(model.InstanceLabel) == "" {
		builder.Set(model.InstanceLabel, builder.Get(model.AddressLabel))
	}
	return builder.Labels()
}

// monitored returns the labels of the workload's targets after the relabeling of the
// ServiceMonitor. Before that relabeling, the operator sets labels such as `pod`, and
// `endpoint` to the name of the port.
func monitored(t *testing.T, objects []object) []labels.Labels {
	t.Helper()
	monitor := only[*monitoringv1.ServiceMonitor](t, objects)
	service := only[*corev1.Service](t, objects)
	w := onlyWorkload(t, objects)
	targets := make([]labels.Labels, 0, w.replicas)
	for i := range w.replicas {
		pod, controller := w.name+"-5c9f7d9b4-x2k8p", "ReplicaSet"
		if w.set != nil {
			pod, controller = fmt.Sprintf("%s-%d", w.name, i), "StatefulSet"
		}
		targets = append(targets, relabeled(t, labels.FromStrings(
			model.AddressLabel, "10.1.2.3:10987",
			"__meta_kubernetes_pod_controller_kind", controller,
			"job", service.Name,
			"namespace", service.Namespace,
			"service", service.Name,
			"pod", pod,
			"container", w.container(t).Name,
			"endpoint", monitor.Spec.Endpoints[0].Port,
		), monitor.Spec.Endpoints[0].RelabelConfigs))
	}
	return targets
}

// visible formats the labels that series get: those that do not begin with __.
func visible(set labels.Labels) string {
	builder := labels.NewBuilder(set)
	set.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			builder.Del(l.Name)
		}
	})
	return builder.Labels().String()
}

// monitoredBuilds returns the builds with a ServiceMonitor.
func monitoredBuilds(t *testing.T) map[string][]object {
	t.Helper()
	found := builds(t)
	maps.DeleteFunc(found, func(_ string, objects []object) bool {
		return len(all[*monitoringv1.ServiceMonitor](objects)) == 0
	})
	if len(found) == 0 {
		t.Error("no build has a ServiceMonitor")
	}
	return found
}

// TestTargetsHaveLastingLabels: a new Pod continues the series of the old one, because the
// target's labels do not name the Pod. The target has no `endpoint`, so that the metrics' own
// label is kept.
func TestTargetsHaveLastingLabels(t *testing.T) {
	for name, objects := range monitoredBuilds(t) {
		t.Run(name, func(t *testing.T) {
			shards := onlyWorkload(t, objects).set != nil
			for i, target := range monitored(t, objects) {
				shard := ""
				if shards {
					shard = fmt.Sprintf("session-exporter-%d.", i)
				}
				want := fmt.Sprintf(`{instance="%ssession-exporter.session-exporter.svc:10987", job="session-exporter", namespace="session-exporter", service="session-exporter"}`, shard)
				if got := visible(target); got != want {
					t.Errorf("the target's labels are\n%s, want\n%s", got, want)
				}
			}
		})
	}
}

// TestEndpointsAreProbedWhereTheyAreListed: Prometheus scrapes each endpoint from the exporter
// that lists it, at the endpoint's own interval, with that exporter's `instance`.
func TestEndpointsAreProbedWhereTheyAreListed(t *testing.T) {
	endpoint := discovered(t)
	for name, objects := range monitoredBuilds(t) {
		t.Run(name, func(t *testing.T) {
			var instances []string
			for _, target := range monitored(t, objects) {
				instances = append(instances, target.Get(model.InstanceLabel))
			}
			for _, scrape := range all[*monitoringv1alpha1.ScrapeConfig](objects) {
				var listed []string
				for _, source := range scrape.Spec.HTTPSDConfigs {
					listed = append(listed, strings.TrimSuffix(strings.TrimPrefix(string(source.URL), "http://"), "/sd"))
					got := relabeled(t, with(endpoint, "__meta_url", string(source.URL)), scrape.Spec.RelabelConfigs)
					want := map[string]string{
						"instance": listed[len(listed)-1], "__address__": listed[len(listed)-1], "__param_endpoint": "hcx-1", "endpoint": "hcx-1",
						"site": "a", "__scrape_interval__": "1m30s", "__scrape_timeout__": "1m30s",
					}
					for name, value := range want {
						if got.Get(name) != value {
							t.Errorf("the label %s is %q, want %q", name, got.Get(name), value)
						}
					}
				}
				if !slices.Equal(listed, instances) {
					t.Errorf("endpoints are listed by %v, the exporters are %v", listed, instances)
				}
				if !*scrape.Spec.HonorLabels || *scrape.Spec.MetricsPath != "/probe" {
					t.Errorf("honorLabels is %t and metricsPath %q, want true and /probe", *scrape.Spec.HonorLabels, *scrape.Spec.MetricsPath)
				}
			}
		})
	}
}

// TestNothingIsStoredTwice: with a ScrapeConfig, Prometheus stores only the exporter's own series
// of /metrics.
func TestNothingIsStoredTwice(t *testing.T) {
	for name, objects := range monitoredBuilds(t) {
		t.Run(name, func(t *testing.T) {
			probed := len(all[*monitoringv1alpha1.ScrapeConfig](objects)) > 0
			rules := only[*monitoringv1.ServiceMonitor](t, objects).Spec.Endpoints[0].MetricRelabelConfigs
			for series, want := range map[string]bool{"session_up": !probed, "session_exporter_endpoints": true} {
				set := labels.FromStrings(model.MetricNameLabel, series)
				if series == "session_up" {
					set = with(set, "endpoint", "hcx-1")
				}
				if kept := !relabeled(t, set, rules).IsEmpty(); kept != want {
					t.Errorf("%s of /metrics is stored: %t, want %t", series, kept, want)
				}
			}
		})
	}
}

const oneEndpoint = `
global: {interval: 90s}
credentials: {a: {token: secret}}
modules: {hcx: {api: hcx, credential: a}}
endpoints: [{name: hcx-1, url: "https://127.0.0.1:9", module: hcx, labels: {site: a}}]
`

// discovered returns the labels with which the exporter lists oneEndpoint at /sd.
func discovered(t *testing.T) labels.Labels {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "session_exporter.yml"), oneEndpoint)
	base := start(t, exporter(t), "--config.file="+filepath.Join(folder, "session_exporter.yml"))
	var groups []struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	must(t, json.Unmarshal([]byte(get(t, base+"/sd")), &groups))
	if len(groups) != 1 || len(groups[0].Targets) != 1 {
		t.Fatalf("/sd lists %+v", groups)
	}
	return with(labels.FromMap(groups[0].Labels), model.AddressLabel, groups[0].Targets[0])
}

func with(set labels.Labels, name, value string) labels.Labels {
	return labels.NewBuilder(set).Set(name, value).Labels()
}
