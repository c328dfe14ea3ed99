package config_test

import (
	"fmt"
	"testing"
	"time"

	"session_exporter/config"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]config.Shard{
		"": {}, "0/1": {Index: 0, Count: 1}, "0/3": {Index: 0, Count: 3}, "2/3": {Index: 2, Count: 3}, "999/1000": {Index: 999, Count: 1000},
	} {
		if got, err := config.ParseShard(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"3/3", "1", "/3", "1/", "-1/3", "0/0", "a/b", "1/2/3", "0/1001", " 0/3", "0x1/3", "+1/3"} {
		if got, err := config.ParseShard(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

// shardsOf returns the number of endpoints of each shard, and the shard of each
// endpoint.
func shardsOf(t *testing.T, all *config.Config, n int) (sizes []int, home map[string]int) {
	t.Helper()
	sizes, home = make([]int, n), make(map[string]int)
	for i := range n {
		for _, e := range all.WithShard(config.Shard{Index: i, Count: n}).Endpoints {
			if other, taken := home[e.Name]; taken {
				t.Errorf("%s is in shards %d and %d", e.Name, other, i)
			}
			home[e.Name] = i
			sizes[i]++
		}
	}
	if len(home) != len(all.Endpoints) {
		t.Errorf("%d of %d endpoints are in %d shards", len(home), len(all.Endpoints), n)
	}
	return sizes, home
}

// Each endpoint is in one shard, the shards have similar sizes, and an additional shard
// moves only the endpoints that it gets.
func TestShards(t *testing.T) {
	const endpoints = 10_000
	all := new(config.Config)
	for i := range endpoints {
		all.Endpoints = append(all.Endpoints, &config.Endpoint{Name: fmt.Sprintf("hcx-site-%d", i)})
	}
	var before map[string]int
	for n := 1; n <= 8; n++ {
		sizes, home := shardsOf(t, all, n)
		for i, size := range sizes {
			if mean := endpoints / n; size < mean*9/10 || size > mean*11/10 {
				t.Errorf("shard %d/%d has %d endpoints, want about %d", i, n, size, mean)
			}
		}
		for name, shard := range before {
			if home[name] != shard && home[name] != n-1 {
				t.Errorf("with shard %d, %s moved from %d to %d", n-1, name, shard, home[name])
			}
		}
		before = home
	}
}

// An interval for all endpoints caps their timeouts, and leaves the configuration as it is.
func TestWithInterval(t *testing.T) {
	settings, err := config.Parse([]byte("credentials: {c: {token: t}}\nmodules: {m: {api: hcx, credential: c, timeout: 5s}}\nendpoints: [{name: a, url: 'https://a.example.com:9443', module: m}]"), "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := settings.WithInterval(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if e := changed.Endpoints[0]; e.Interval != 2*time.Second || e.Timeout != 2*time.Second || e.Auth != "token" {
		t.Errorf("%s, timeout %s, auth %s", e.Interval, e.Timeout, e.Auth)
	}
	if e := settings.Endpoints[0]; e.Interval != time.Minute || e.Timeout != 5*time.Second {
		t.Errorf("before: %s, timeout %s", e.Interval, e.Timeout)
	}
	if _, err := settings.WithInterval(99 * time.Millisecond); err == nil || err.Error() != "must be at least 100ms" {
		t.Error(err)
	}
}
