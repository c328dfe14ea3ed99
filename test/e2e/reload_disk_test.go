package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

const (
	reloadSuccessful = "session_exporter_config_last_reload_successful"
	reloadTime       = "session_exporter_config_last_reload_success_timestamp_seconds"
)

// mount is a directory like those of ConfigMaps and Secrets in Kubernetes: the files are
// symbolic links into `..data`, which is a symbolic link that an update replaces.
type mount struct {
	dir      string
	versions int
}

// newMount creates a mount with the given files, by name.
func newMount(t *testing.T, files map[string]string) *mount {
	t.Helper()
	return newMountIn(t, t.TempDir(), files)
}

// newMountIn is newMount in a given directory, which it creates if necessary.
func newMountIn(t *testing.T, dir string, files map[string]string) *mount {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m := &mount{dir: dir}
	m.publish(t, files)
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), m.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *mount) path(name string) string { return filepath.Join(m.dir, name) }

// publish swaps in new files and removes the old ones, as the kubelet does. It returns
// the modification time of the new files.
func (m *mount) publish(t *testing.T, files map[string]string) time.Time {
	t.Helper()
	old := filepath.Join(m.dir, fmt.Sprintf("..version_%d", m.versions))
	m.versions++
	version := fmt.Sprintf("..version_%d", m.versions)
	if err := os.Mkdir(filepath.Join(m.dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	// The modification time differs from the time of writing, and between versions.
	at := time.Now().Add(time.Duration(m.versions-100) * time.Hour).Truncate(time.Second)
	for name, text := range files {
		if err := os.Chtimes(write(t, filepath.Join(m.dir, version, name), text), at, at); err != nil {
			t.Fatal(err)
		}
	}
	temporary := filepath.Join(m.dir, "..data_tmp")
	if err := os.Symlink(version, temporary); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(m.dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(old); err != nil {
		t.Fatal(err)
	}
	return at
}

// sendSIGHUP requests a reload by signal.
func (x *exporter) sendSIGHUP(t *testing.T) {
	t.Helper()
	if err := x.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
}

// onFile runs the exporter with a configuration file that the test changes.
func onFile(t *testing.T, file string) *exporter {
	t.Helper()
	return listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0")
}

// TestReloadByEveryChangeOnDisk: editors and deployments replace files in different ways, and
// the file or its directory may be a symbolic link.
func TestReloadByEveryChangeOnDisk(t *testing.T) {
	t.Parallel()
	inPlace := func(t *testing.T, file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const name = "session_exporter.yml"
	for how, prepare := range map[string]func(t *testing.T, text string) (file string, change func(text string)){
		"write in place": func(t *testing.T, text string) (string, func(string)) {
			t.Helper()
			file := configFile(t, text)
			return file, func(text string) { inPlace(t, file, text) }
		},
		"rename over": func(t *testing.T, text string) (string, func(string)) {
			t.Helper()
			file := configFile(t, text)
			return file, func(text string) { write(t, file, text) }
		},
		"rename away and create": func(t *testing.T, text string) (string, func(string)) {
			t.Helper()
			file := configFile(t, text)
			return file, func(text string) {
				if err := os.Rename(file, file+"~"); err != nil {
					t.Fatal(err)
				}
				inPlace(t, file, text)
			}
		},
		"..data swapped": func(t *testing.T, text string) (string, func(string)) {
			t.Helper()
			m := newMount(t, map[string]string{name: text})
			return m.path(name), func(text string) { m.publish(t, map[string]string{name: text}) }
		},
		"target of a link": func(t *testing.T, text string) (string, func(string)) {
			t.Helper()
			target, link := configFile(t, text), filepath.Join(t.TempDir(), name)
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
			return link, func(text string) { write(t, target, text) }
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			kept, dropped := newHCX(t, withAccount(password)), newDR(t, withAccount(password))
			secret := secretFile(t, password)
			file, change := prepare(t, listing(secret, kept.endpoint("kept", "hcx"), dropped.endpoint("dropped", "dr")))
			x := onFile(t, file)
			const established = `session_established_timestamp_seconds{endpoint="kept"}`
			before := x.await(t, want{"session_up": 2, reloadSuccessful: 1})

			change(listing(secret, kept.endpoint("kept", "hcx")))
			x.await(t, want{"session_up": 1, `session_up{endpoint="dropped"}`: absent, "session_exporter_endpoints": 1})
			eventually(t, func() error {
				if stats := dropped.Stats(); stats.Sessions > 0 || stats.Logouts != 1 {
					return fmt.Errorf("the endpoint that was dropped has seen %+v", stats)
				}
				return nil
			})
			after := x.awaitProbes(t, "kept", 1)
			after.check(t, want{established: before.sum(established), "session_logins_total": 1, "session_logouts_total": 0, "session_exporter_sessions_held": 1})
			if probes := `session_probes_total{endpoint="kept"}`; after.sum(probes) <= before.sum(probes) {
				t.Error("the counters of the kept endpoint were reset")
			}
			if text := x.get(t, "/metrics"); strings.Contains(text, `"dropped"`) {
				t.Error("series of the removed endpoint remain")
			}
			if stats := kept.Stats(); stats.Logins != 1 || stats.Sessions != 1 {
				t.Errorf("the endpoint that was kept has seen %+v", stats)
			}
		})
	}
}

// TestReloadOfTheSameFile: a reload of an unchanged file succeeds, and changes nothing.
func TestReloadOfTheSameFile(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	x := serve(t, listing(secretFile(t, password), a.endpoint("a", "hcx")))
	before := x.await(t, want{"session_up": 1})
	for name, reload := range map[string]func(){
		"SIGHUP": func() { x.sendSIGHUP(t) },
		"POST": func() {
			if status, text := x.post(t, "/-/reload"); status != http.StatusOK {
				t.Errorf("status %d: %s", status, text)
			}
		},
	} {
		last := x.scrape(t).sum(reloadTime)
		reload()
		x.until(t, func(m metrics) error {
			if got := m.sum(reloadTime); got <= last {
				return fmt.Errorf("%s: %s is still %v", name, reloadTime, got)
			}
			return nil
		})
	}
	const established = "session_established_timestamp_seconds"
	x.awaitProbes(t, "a", 1).check(t, want{established: before.sum(established), "session_logins_total": 1, reloadSuccessful: 1})
	if stats := a.Stats(); stats.Logins != 1 || stats.Logouts != 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestEveryReloadOfABrokenFile: however the reload was triggered, the previous
// configuration stays in use, and the log says where the new one is wrong.
func TestEveryReloadOfABrokenFile(t *testing.T) {
	t.Parallel()
	for name, reload := range map[string]func(t *testing.T, x *exporter, line string){
		"SIGHUP": func(t *testing.T, x *exporter, _ string) { t.Helper(); x.sendSIGHUP(t) },
		"POST": func(t *testing.T, x *exporter, line string) {
			t.Helper()
			if status, text := x.post(t, "/-/reload"); status != http.StatusInternalServerError || !strings.Contains(text, line) {
				t.Errorf("status %d, and %q is not in %s", status, line, text)
			}
		},
		"file": func(*testing.T, *exporter, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newHCX(t, withAccount(password))
			good := listing(secretFile(t, password), a.endpoint("a", "hcx"))
			file := configFile(t, good)
			x := onFile(t, file)
			before := x.await(t, want{"session_up": 1, reloadSuccessful: 1})

			// Two mistakes, both of which are reported.
			write(t, file, good+"  - {name: b, url: https://b.example.com, modul: hcx}\nglobl: {}\n")
			at := strings.Count(good, "\n") + 1
			reload(t, x, fmt.Sprintf("%s:%d: ", file, at))
			for line := at; line <= at+1; line++ {
				where := fmt.Sprintf("%s:%d: ", file, line)
				eventually(t, func() error {
					for _, logged := range x.logLines(t) {
						if logged["level"] == "error" && strings.Contains(logged["err"], where) {
							return nil
						}
					}
					return fmt.Errorf("%q is not logged\n%s", where, x.lastLines())
				})
			}
			x.await(t, want{reloadSuccessful: 0})
			x.awaitProbes(t, "a", 2).check(t, want{
				reloadSuccessful: 0, reloadTime: before.sum(reloadTime), "session_up": 1, "session_logins_total": 1, "session_exporter_endpoints": 1,
			})

			write(t, file, good)
			x.await(t, want{reloadSuccessful: 1}).check(t, want{"session_up": 1, "session_logins_total": 1})
			if stats := a.Stats(); stats.Logins != 1 || stats.Logouts != 0 {
				t.Errorf("the appliance has seen %+v", stats)
			}
		})
	}
}

// TestLifecycleFromElsewhere: a POST request that another site's page sends through a
// visitor's browser is refused, and so is any GET request.
func TestLifecycleFromElsewhere(t *testing.T) {
	t.Parallel()
	x := serve(t, noEndpoints)
	before := x.scrape(t).sum(reloadTime)
	for _, path := range []string{"/-/reload", "/-/resume?credential=account"} {
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}},
			{"Sec-Fetch-Site": {"same-site"}},
			{"Origin": {"https://attacker.example"}},
			{"Origin": {"null"}},
		} {
			request := httptest.NewRequest(http.MethodPost, x.url+path, http.NoBody)
			request.RequestURI, request.Header = "", header
			if status, text := x.send(t, request); status != http.StatusForbidden {
				t.Errorf("%s from %v: status %d: %s", path, header, status, text)
			}
		}
		request := httptest.NewRequest(http.MethodGet, x.url+path, http.NoBody)
		request.RequestURI = ""
		if status, text := x.send(t, request); status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: status %d: %s", path, status, text)
		}
	}
	x.scrape(t).check(t, want{reloadTime: before})
}

// send sends a request, follows no redirect, and returns the response, whatever its status.
func (x *exporter) send(t *testing.T, request *http.Request) (status int, text string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestReloadOfLabels: changed labels make new series, with the same counters and the
// same session.
func TestReloadOfLabels(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	secret := secretFile(t, password)
	labeled := func(labels string) string {
		return listing(secret, strings.TrimSuffix(a.endpoint("a", "hcx"), "}")+", labels: "+labels+"}")
	}
	file := configFile(t, labeled("{site: x}"))
	x := onFile(t, file)
	x.await(t, want{`session_up{site="x"}`: 1})
	before := x.awaitProbes(t, "a", 2)

	write(t, file, labeled("{site: y, rack: r}"))
	after := x.await(t, want{`session_up{site="y",rack="r"}`: 1, `session_up{site="x"}`: absent})
	const probes, established = "session_probes_total", "session_established_timestamp_seconds"
	if after.sum(probes) < before.sum(probes) {
		t.Error("the counters were reset")
	}
	after.check(t, want{established: before.sum(established), "session_logins_total": 1, "session_exporter_sessions_held": 1})
	if text := x.get(t, "/metrics"); strings.Contains(text, `site="x"`) {
		t.Error("series with the old labels remain")
	}
	if stats := a.Stats(); stats.Logins != 1 || stats.Logouts != 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestRenewedCA: another CA issues an appliance's new certificate, and the exporter's CA file
// is replaced later. No restart and no login is needed: the session continues on new
// connections.
func TestRenewedCA(t *testing.T) {
	t.Parallel()
	renewed, err := simulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	trusted := newMount(t, map[string]string{"ca.pem": ca.PEM()})
	a := newHCX(t, withAccount(password))
	x := serve(t, fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, trusted.path("ca.pem"), user, secretFile(t, password), a.endpoint("a", "hcx")))
	x.await(t, want{"session_up": 1, "session_auth_success": 1})

	address := strings.TrimPrefix(a.server.URL(), "https://")
	a.server.Close()
	eventually(t, func() error { // another process's connection may use its port
		server, err := renewed.Serve(a, address, simulator.ServerOptions{})
		if err == nil {
			a.server = server
		}
		return err
	})
	x.await(t, want{`session_state{state="tls_failed"}`: 1, "session_up": 0, "session_auth_success": 1})

	trusted.publish(t, map[string]string{"ca.pem": renewed.PEM()})
	x.await(t, want{"session_up": 1, `session_state{state="tls_failed"}`: 0, "session_auth_success": 1, reloadSuccessful: 1})
	if stats := a.Stats(); stats.Logins != 1 || stats.Sessions != 1 || stats.Refusals > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestBrokenCA: while the CA file is invalid, reloads fail, and the previous configuration
// stays in use.
func TestBrokenCA(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "ca.pem"), ca.PEM())
	a := newHCX(t, withAccount(password))
	x := serve(t, fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, file, user, secretFile(t, password), a.endpoint("a", "hcx")))
	x.await(t, want{"session_up": 1})
	write(t, file, "half a file")
	x.await(t, want{reloadSuccessful: 0})
	x.awaitProbes(t, "a", 1).check(t, want{"session_up": 1, "session_logins_total": 1})
	write(t, file, ca.PEM())
	x.await(t, want{reloadSuccessful: 1, "session_up": 1}).check(t, want{"session_logins_total": 1})
}
