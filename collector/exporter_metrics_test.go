package collector

import (
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/config"
)

// The shard is always exposed, so that an alert can compare the shards found with their
// number.
func TestShardInfo(t *testing.T) {
	settings := newSettings(newEndpoint("a"), newEndpoint("b"))
	for shard, want := range map[config.Shard]string{
		{}:                   `session_exporter_shard_info{shard="0",shards="1"} 1`,
		{Index: 2, Count: 3}: `session_exporter_shard_info{shard="2",shards="3"} 1`,
	} {
		text := string(expose(t, watch(t, settings.WithShard(shard), idle), textFormat))
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("shard %v: no %s in\n%s", shard, want, text)
		}
	}
}

// A scrape does not copy the endpoints to count the sessions that are held.
func TestExporterMetricsMemory(t *testing.T) {
	c := watch(t, newSettings(newEndpoints(5000)...), idle)
	metrics := make(chan prometheus.Metric, 100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.ExporterMetrics().Collect(metrics)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 50_000 {
		t.Errorf("%d bytes for 5000 endpoints", allocated)
	}
}
