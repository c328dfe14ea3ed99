package collector

import (
	"strings"
	"testing"

	"session_exporter/config"
)

// The share is always exposed, so that an alert can compare the shards found with their number.
func TestShardInfo(t *testing.T) {
	settings := newSettings(newEndpoint("a"), newEndpoint("b"))
	for share, want := range map[config.Shard]string{
		{}:                   `session_exporter_shard_info{shard="0",shards="1"} 1`,
		{Index: 2, Count: 3}: `session_exporter_shard_info{shard="2",shards="3"} 1`,
	} {
		text := string(expose(t, watch(t, settings.WithShard(share), idle), textFormat))
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("shard %v: no %s in\n%s", share, want, text)
		}
	}
}
