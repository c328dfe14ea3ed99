package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

// loads is a log handler that sends a text for each attempt to load a configuration.
type loads chan string

func (l loads) Enabled(context.Context, slog.Level) bool { return true }
func (l loads) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l loads) WithGroup(string) slog.Handler            { return l }

func (l loads) Handle(_ context.Context, r slog.Record) error {
	fields := make(map[string]slog.Value)
	r.Attrs(func(a slog.Attr) bool {
		fields[a.Key] = a.Value
		return true
	})
	switch {
	case r.Message == "configuration loaded":
		l <- fmt.Sprintf("files=%v endpoints=%v", fields["files"], fields["endpoints"])
	case strings.HasPrefix(r.Message, "reload failed"):
		l <- fields["err"].String()
	}
	return nil
}

// TestWatchPatterns changes files that patterns match, in real time: in a plain directory
// and in volumes as Kubernetes mounts them.
func TestWatchPatterns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "team-a"), 0o700))
	file := func(name string) string { return filepath.Join(dir, name) }
	listing := func(names ...string) string {
		text := "endpoints:\n"
		for _, name := range names {
			text += fmt.Sprintf("  - {name: %[1]s, url: 'http://%[1]s.test', module: m}\n", name)
		}
		return text
	}
	publish := deployments["kubernetes"](t, file("team-a"))
	publish(map[string]string{"1.yml": listing("a1"), "2.yml": listing("a2")})
	writeFiles(t, dir, map[string]string{"base.yml": "credentials: {c: {token: t}}\nmodules: {m: {api: hcx, credential: c}}\n", "x.yml": listing("x")})

	loaded := make(loads, 10)
	e := New([]string{file("*.yml"), file("*/*.yml")}, config.Shard{}, probe.NewManagerWithDial((&world{t: t}).dial), slog.New(loaded))
	must(t, e.Load(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { e.follow(ctx, nil) })
	defer following.Wait()
	defer cancel()
	// A file may be loaded before its text is written, and twice if it is written while it
	// is loaded.
	before := ""
	await := func(name, want string) {
		t.Helper()
		for {
			select {
			case got := <-loaded:
				got = strings.ReplaceAll(got, dir+"/", "")
				if got == want {
					before = want
					return
				}
				if got != before && !strings.Contains(got, "is empty") {
					t.Fatalf("%s: got %q, want %q", name, got, want)
				}
			case <-time.After(50 * time.Second): // less than pollInterval
				t.Fatalf("%s: nothing was loaded, want %q", name, want)
			}
		}
	}
	await("start", "files=4 endpoints=3")

	for _, c := range []struct {
		name   string
		change func()
		want   string
	}{
		{"added", func() { writeFiles(t, dir, map[string]string{"y.yml": listing("y")}) }, "files=5 endpoints=4"},
		{"written in place", func() { writeFiles(t, dir, map[string]string{"y.yml": listing("y", "z")}) }, "files=5 endpoints=5"},
		{"swapped", func() { publish(map[string]string{"1.yml": listing("a1", "a3"), "2.yml": listing("a2")}) }, "files=5 endpoints=6"},
		{"an endpoint twice", func() { publish(map[string]string{"1.yml": listing("x"), "2.yml": listing("a2")}) }, "x.yml:2: endpoints[0].name: duplicate endpoint name (first used at team-a/1.yml:2)"},
		{"swapped back", func() { publish(map[string]string{"1.yml": listing("a1"), "2.yml": listing("a2")}) }, "files=5 endpoints=5"},
		{"a new directory", func() {
			must(t, os.Mkdir(file("team-b"), 0o700))
			writeFiles(t, file("team-b"), map[string]string{"1.yml": listing("b1")})
		}, "files=6 endpoints=6"},
		{"a file in it", func() { writeFiles(t, file("team-b"), map[string]string{"2.yml": listing("b2")}) }, "files=7 endpoints=7"},
		{"emptied", func() { writeFiles(t, dir, map[string]string{"x.yml": ""}) }, "x.yml: is empty; write at least a comment, or remove the file"},
		{"replaced", func() {
			writeFiles(t, dir, map[string]string{"x.new": listing("x", "x2")})
			must(t, os.Rename(file("x.new"), file("x.yml")))
		}, "files=7 endpoints=8"},
		{"removed", func() { must(t, os.Remove(file("y.yml"))) }, "files=6 endpoints=6"},
		{"a directory moved away", func() { must(t, os.Rename(file("team-b"), filepath.Join(t.TempDir(), "b"))) }, "files=4 endpoints=4"},
		{"no match", func() { must(t, os.Rename(file("team-a"), filepath.Join(t.TempDir(), "a"))) }, "*/*.yml: no file matches this pattern; name another pattern or file"},
	} {
		c.change()
		await(c.name, c.want)
	}
	if got := len(e.Collector().Config().Endpoints); got != 4 {
		t.Errorf("%d endpoints are left, want the 4 of the last configuration that could be loaded", got)
	}
}
