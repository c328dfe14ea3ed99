package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestShards: three exporters with one configuration and --shard divide its endpoints among
// them.
func TestShards(t *testing.T) {
	t.Parallel()
	const n = 30
	a := newHCX(t, withAccount(password))
	configuration := fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
`, caFile, user, secretFile(t, password))
	for i := range n {
		configuration += a.endpoint(fmt.Sprintf("endpoint-%d", i), "hcx") + "\n"
	}
	shards := make([]*exporter, 3)
	for i := range shards {
		shards[i] = serve(t, configuration, fmt.Sprintf("--shard=%d/%d", i, len(shards)))
	}
	watched := map[string]int{}
	for _, x := range shards {
		x.until(t, func(m metrics) error {
			if up, all := m.sum("session_up"), m.sum("session_exporter_endpoints"); up != all {
				return fmt.Errorf("%v of %v are up", up, all)
			}
			return nil
		})
		for _, series := range x.scrape(t).series("session_up") {
			for _, label := range series.GetLabel() {
				if label.GetName() == "endpoint" {
					watched[label.GetValue()]++
				}
			}
		}
	}
	if len(watched) != n {
		t.Errorf("%d endpoints are watched, want %d", len(watched), n)
	}
	for name, times := range watched {
		if times != 1 {
			t.Errorf("%s is watched by %d exporters", name, times)
		}
	}
	if got := run(t, "--shard=3/3"); got.code != 2 || !strings.Contains(got.stderr, "--shard is \"3/3\"; it must be i/n") {
		t.Errorf("%+v", got)
	}
}
