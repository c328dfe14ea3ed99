package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
)

// TestLogLoaded loads one endpoint in exporters with different shards.
func TestLogLoaded(t *testing.T) {
	const nothing = `level=WARN msg="none of the endpoints belongs to this shard: it watches nothing" shard=%s listed=1`
	file := &config.Config{Endpoints: []*config.Endpoint{{Name: "site-0"}}}
	owner := slices.IndexFunc([]int{0, 1, 2}, func(i int) bool { return len(file.Shard(config.Shard{Index: i, Count: 3}).Endpoints) == 1 })
	other := (owner + 1) % 3
	has, hasNot := fmt.Sprintf("%d/3", owner), fmt.Sprintf("%d/3", other)
	for _, c := range []struct {
		name            string
		shard           config.Shard
		endpoints       int
		loaded, warning string // the log has; no warning where it is empty
	}{
		{"no shards", config.Shard{}, 1, "endpoints=1 credentials=1\n", ""},
		{"the endpoint's shard", config.Shard{Index: owner, Count: 3}, 1, "endpoints=1 credentials=1 shard=" + has + "\n", ""},
		{"another shard", config.Shard{Index: other, Count: 3}, 1, "endpoints=0 credentials=1 shard=" + hasNot + "\n", fmt.Sprintf(nothing, hasNot)},
		{"a shard of nothing", config.Shard{Index: other, Count: 3}, 0, "endpoints=0 credentials=1 shard=" + hasNot + "\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			w := newWorld(t, slog.New(slog.NewTextHandler(&log, nil)))
			w.shard = c.shard
			w.write("password", "secret")
			w.load(oneAccount(c.endpoints, passwordModules["hcx login"]))
			if got := log.String(); !strings.Contains(got, c.loaded) || !strings.Contains(got, c.warning) {
				t.Errorf("the log is\n%s\nwant in it %q and %q", got, c.loaded, c.warning)
			}
			if c.warning == "" && strings.Contains(log.String(), "this shard") {
				t.Errorf("a warning of nothing:\n%s", log.String())
			}
		})
	}
}
