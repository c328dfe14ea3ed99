package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// post sends an empty POST request to the exporter.
func (x *exporter) post(t *testing.T, path string) (status int, text string) {
	t.Helper()
	response, err := http.Post(x.url+path, "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, path, string(body))
	return response.StatusCode, string(body)
}

// listing returns a configuration with these endpoints and their credential.
func listing(secret string, endpoints ...string) string {
	return fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s
`, caFile, user, secret, strings.Join(endpoints, "\n"))
}

// endpoint returns the appliance's entry in a configuration.
func (a *appliance) endpoint(name, module string) string {
	return fmt.Sprintf("  - {name: %s, url: %s, module: %s, credential: account}", name, a.url, module)
}

// TestReload: however it is triggered, a reload logs out of the endpoints that it removes, and
// does not touch unchanged ones.
func TestReload(t *testing.T) {
	t.Parallel()
	for name, reload := range map[string]func(*testing.T, *exporter){
		"SIGHUP": func(t *testing.T, x *exporter) {
			t.Helper()
			if err := x.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		},
		"POST": func(t *testing.T, x *exporter) {
			t.Helper()
			if status, text := x.post(t, "/-/reload"); status != http.StatusOK {
				t.Errorf("status %d: %s", status, text)
			}
		},
		"file": func(*testing.T, *exporter) {}, // changing the file is enough
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, dropped, added := newHCX(t, withAccount(password)), newDR(t, withAccount(password)), newDR(t, withAccount(password))
			secret := secretFile(t, password)
			file := configFile(t, listing(secret, kept.endpoint("kept", "hcx"), dropped.endpoint("dropped", "dr")))
			x := listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0")
			before := x.await(t, want{"session_up": 2, "session_exporter_endpoints": 2, "session_exporter_config_last_reload_successful": 1})

			write(t, file, listing(secret, kept.endpoint("kept", "hcx"), added.endpoint("added", "dr")))
			reload(t, x)
			after := x.await(t, want{
				"session_up": 2, `session_up{endpoint="added"}`: 1, `session_up{endpoint="dropped"}`: absent, "session_exporter_sessions_held": 2,
			})
			if stats := dropped.Stats(); stats.Sessions > 0 || stats.Logouts != 1 {
				t.Errorf("the endpoint that was dropped has seen %+v", stats)
			}
			established := `session_established_timestamp_seconds{endpoint="kept"}`
			after.check(t, want{
				established: before.sum(established), `session_logins_total{endpoint="kept"}`: 1, `session_logouts_total{endpoint="kept"}`: 0,
				"session_exporter_config_last_reload_successful": 1,
			})
			probes := `session_probes_total{endpoint="kept"}`
			if after.sum(probes) < before.sum(probes) {
				t.Error("the counters of the kept endpoint were reset")
			}
		})
	}
}

// TestReloadOfABrokenFile: the previous configuration stays in use.
func TestReloadOfABrokenFile(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	secret := secretFile(t, password)
	good := listing(secret, a.endpoint("a", "hcx"))
	file := configFile(t, good)
	x := listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0")
	x.await(t, want{"session_up": 1, "session_exporter_config_last_reload_successful": 1})

	write(t, file, good+"  - {name: b, url: https://b.example.com, modul: hcx}\n")
	line := fmt.Sprintf("%s:%d: ", file, strings.Count(good, "\n")+1)
	if status, text := x.post(t, "/-/reload"); status != http.StatusInternalServerError || !strings.Contains(text, line) {
		t.Errorf("status %d, and %q is not in %s", status, line, text)
	}
	if err := x.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
	eventually(t, func() error {
		for _, logged := range x.logLines(t) {
			if logged["level"] == "error" && strings.Contains(logged["err"], line) {
				return nil
			}
		}
		return fmt.Errorf("%q is not logged\n%s", line, x.lastLines())
	})
	x.await(t, want{"session_exporter_config_last_reload_successful": 0, "session_exporter_endpoints": 1})
	x.awaitProbes(t, "a", 2).check(t, want{"session_up": 1, "session_logins_total": 1})

	write(t, file, good)
	x.await(t, want{"session_exporter_config_last_reload_successful": 1}).check(t, want{"session_up": 1, "session_logins_total": 1})
}

// TestKubernetesSwap: a ConfigMap and a Secret change because a symbolic link in their
// directory is replaced. The files themselves never change.
func TestKubernetesSwap(t *testing.T) {
	t.Parallel()
	a, b := newHCX(t, withAccount(password)), newHCX(t, withAccount(password))
	mount := t.TempDir()
	publish := func(version, configuration, secret string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(mount, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(mount, version, "session_exporter.yml"), configuration)
		write(t, filepath.Join(mount, version, "password"), secret)
		if err := os.Symlink(version, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	file, secret := filepath.Join(mount, "session_exporter.yml"), filepath.Join(mount, "password")
	publish("..1", listing(secret, a.endpoint("a", "hcx")), password)
	for _, name := range []string{"session_exporter.yml", "password"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	x := listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0")
	x.await(t, want{"session_up": 1, "session_exporter_endpoints": 1})
	b.setPassword(newPassword)
	publish("..2", listing(secret, a.endpoint("a", "hcx"), b.endpoint("b", "hcx")), newPassword)
	x.await(t, want{"session_up": 2, "session_exporter_endpoints": 2})
	if stats := b.Stats(); stats.Refusals > 0 {
		t.Errorf("the old password was sent: %+v", stats)
	}
}

// TestReloadInABusyFolder: another file in the same directory is written all the time, which
// does not prevent a reload.
func TestReloadInABusyFolder(t *testing.T) {
	t.Parallel()
	a, b := newHCX(t, withAccount(password)), newDR(t, withAccount(password))
	secret := secretFile(t, password)
	file := configFile(t, listing(secret, a.endpoint("a", "hcx")))
	busy, stopped := time.NewTicker(50*time.Millisecond), make(chan struct{})
	go func() {
		for {
			select {
			case <-busy.C:
				_ = os.WriteFile(filepath.Join(filepath.Dir(file), "other.log"), nil, 0o600) // the directory exists until the end of the test
			case <-stopped:
				return
			}
		}
	}()
	t.Cleanup(func() {
		busy.Stop()
		close(stopped)
	})
	x := listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0")
	x.await(t, want{"session_up": 1})
	write(t, file, listing(secret, a.endpoint("a", "hcx"), b.endpoint("b", "dr")))
	x.await(t, want{"session_up": 2})
}

// TestResume: the password is corrected on the appliance, not in the file. Resume makes the
// exporter try it again.
func TestResume(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(newPassword))
	x := serve(t, listing(secretFile(t, password), a.endpoint("a", "hcx"), a.endpoint("b", "hcx")))
	x.await(t, want{
		"session_login_suspended": 2, "session_login_failures_total": 2, `session_exporter_credential_suspended{credential="account"}`: 1,
		`session_exporter_credential_refusals_total{credential="account"}`: 2,
	})
	if status, text := x.post(t, "/-/resume?credential=other"); status != http.StatusNotFound {
		t.Errorf("an unknown credential: status %d: %s", status, text)
	}
	a.setPassword(password)
	if status, text := x.post(t, "/-/resume?credential=account"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, text)
	}
	x.await(t, want{"session_up": 2, "session_login_suspended": 0, `session_exporter_credential_suspended{credential="account"}`: 0})
	if stats := a.Stats(); stats.Refusals != 2 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}
