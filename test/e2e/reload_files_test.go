package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReloadOfSeveralFiles: a base file and two volumes, as Kubernetes mounts them, are one
// configuration. If one file is invalid, a reload changes nothing.
func TestReloadOfSeveralFiles(t *testing.T) {
	t.Parallel()
	a, b, c := newHCX(t, withAccount(password)), newDR(t, withAccount(password)), newHCX(t, withAccount(password))
	dir := t.TempDir()
	team := func(endpoints ...string) string { return "endpoints:\n" + strings.Join(endpoints, "\n") + "\n" }
	first := newMountIn(t, filepath.Join(dir, "first"), map[string]string{"a.yml": team(a.endpoint("a", "hcx"))})
	second := newMountIn(t, filepath.Join(dir, "second"), map[string]string{"b.yml": team(b.endpoint("b", "dr"))})
	base := configFile(t, fmt.Sprintf(prelude+"credentials:\n  account: {username: %s, password_file: secret}\n", caFile, user))
	write(t, filepath.Join(filepath.Dir(base), "secret"), password)

	pattern := filepath.Join(dir, "*", "*.yml")
	files := []string{"--config.file=" + pattern, "--config.file=" + base}
	if got := run(t, "check-config", base, pattern, first.path("a.yml")); got.code != 0 || !strings.Contains(got.stdout, " is valid: 3 files, 2 endpoints, 1 credential.\n") {
		t.Errorf("check-config exits with %d: %s%s", got.code, got.stdout, got.stderr)
	}
	if got := run(t, append([]string{"probe", "b"}, files...)...); got.code != 0 || !strings.HasPrefix(got.stdout, "b: valid") {
		t.Errorf("probe exits with %d: %s%s", got.code, got.stdout, got.stderr)
	}
	x := listening(t, append(files, "--web.listen-address=127.0.0.1:0")...)
	const established = `session_established_timestamp_seconds{endpoint="a"}`
	before := x.await(t, want{"session_up": 2, reloadSuccessful: 1, "session_exporter_endpoints": 2})
	if shown := x.get(t, "/config"); !strings.Contains(shown, "name: a") || !strings.Contains(shown, "name: b") || strings.Contains(shown, password) {
		t.Errorf("/config shows\n%s", shown)
	}

	second.publish(t, map[string]string{"b.yml": team(c.endpoint("c", "hcx"))})
	x.await(t, want{"session_up": 2, `session_up{endpoint="b"}`: absent, `session_up{endpoint="c"}`: 1})

	// An endpoint name that is in both files.
	second.publish(t, map[string]string{"b.yml": team(c.endpoint("a", "hcx"))})
	x.await(t, want{reloadSuccessful: 0})
	where := fmt.Sprintf("%s:2: endpoints[0].name: duplicate endpoint name (first used at %s:2)", second.path("b.yml"), first.path("a.yml"))
	if status, text := x.post(t, "/-/reload"); status != http.StatusInternalServerError || !strings.Contains(text, where) {
		t.Errorf("status %d, and %q is not in %s", status, where, text)
	}
	x.awaitProbes(t, "c", 1).check(t, want{"session_up": 2, "session_exporter_endpoints": 2})

	// Without the second volume, the pattern matches one file, which is valid. Without the
	// first, it matches none, which is an error.
	for _, m := range []*mount{second, first} {
		if err := os.Rename(m.dir, filepath.Join(t.TempDir(), "away")); err != nil {
			t.Fatal(err)
		}
		if m == second {
			x.await(t, want{"session_exporter_endpoints": 1, reloadSuccessful: 1})
		} else {
			x.await(t, want{"session_exporter_endpoints": 1, reloadSuccessful: 0})
		}
	}
	x.awaitProbes(t, "a", 1).check(t, want{established: before.sum(established), "session_up": 1})
	if stats := a.Stats(); stats.Logins != 1 || stats.Logouts != 0 {
		t.Errorf("the endpoint that was kept has seen %+v", stats)
	}
}
