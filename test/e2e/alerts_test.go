package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	deployed = "../../deploy/"
	runbooks = "../../docs/runbooks/"
	// For alerts that fire when the exporter is down.
	publicRunbooks = "https://github.com/session-exporter/session_exporter/blob/main/docs/runbooks/"
)

// TestAlerts follows incidents from the appliance to a webhook, with the real demo,
// Prometheus, Alertmanager and the files that users get, including `for` and
// `keep_firing_for`. Only addresses and intervals differ.
func TestAlerts(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t)
	const switchedOff, corrected = "dr-switched-off", "dr-corrected"
	const different = password + "-2" // with the same password, the guard would treat both accounts as one
	// The appliances start before the exporter, so that it can still log out of them when it
	// stops.
	appliance, another := newDR(t, withAccount(password)), newDR(t, withAccount(different))
	appliance.mayLeak = true // once it is off, logging out is impossible
	file := secretFile(t, different)
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	watchToo(t, x, switchedOff, appliance, secretFile(t, password))
	watchToo(t, x, corrected, another, file)
	prometheusWith(t, x, alertmanager(t, receiver.URL, "1s"), "1s")
	began, err := time.Parse(time.RFC3339, x.logLines(t)[0]["ts"])
	if err != nil {
		t.Fatal(err)
	}

	// The demo changes this endpoint's password 15 s into each period.
	const rotated, period, changed = "hcx-password-rotated", 300 * time.Second, 15 * time.Second

	// Unlike the demo's own appliances, this one stays off once its password has been
	// accepted.
	x.await(t, want{fmt.Sprintf("session_auth_success{endpoint=%q}", switchedOff): 1})
	x.await(t, want{fmt.Sprintf("session_auth_success{endpoint=%q}", corrected): 1})
	off := time.Now()
	appliance.server.Off()
	another.setPassword(newPassword)
	another.EndSessions()

	// The alert must not resolve before the right password is in the file, nor while the
	// guard holds all logins back.
	receiver.await(t, period, "firing", "SessionCredentialsRejected", corrected)
	published := time.Now()
	write(t, file, newPassword)

	// The exporter notices the demo's change at its next login.
	firing := receiver.await(t, period, "firing", "SessionCredentialsRejected", rotated)
	incident := began.Add(changed)
	for incident.Add(period).Before(firing.StartsAt) {
		incident = incident.Add(period)
	}
	t.Logf("SessionCredentialsRejected: %s from the change of the password to the webhook", firing.received.Sub(incident).Round(time.Second/10))
	if got := firing.Labels; got["severity"] != "critical" || got["api"] != "hcx" || got["kind"] != "changing" || got["site"] == "" {
		t.Errorf("unexpected labels: %v", got)
	}
	checkLinks(t, x, firing)

	unreachable := receiver.await(t, 8*time.Minute, "firing", "SessionUnreachable", switchedOff)
	t.Logf("SessionUnreachable: %s from the power-off to the webhook", unreachable.received.Sub(off).Round(time.Second/10))
	resolved := receiver.await(t, keepFiring+slack+maxWait, "resolved", "SessionCredentialsRejected", corrected)
	if resolved.EndsAt.Before(published.Add(keepFiring)) {
		t.Errorf("the right password was written at %s, and the alert resolved at %s, before its keep_firing_for", published, resolved.EndsAt)
	}
	t.Logf("SessionCredentialsRejected: resolved %s after the right password", resolved.received.Sub(published).Round(time.Second/10))
	checkLinks(t, x, unreachable)
	for endpoint, expected := range map[string]string{
		"dr-wrong-password": "SessionCredentialsRejected", "dr-nobody": "SessionExpired", "hcx-forbidden": "SessionForbidden",
		"dr-slots-exhausted": "SessionAPIErrors", "hcx-certificate-expired": "SessionTLSFailed",
		"hcx-behind-login-page": "SessionInvalidResponse", "dr-behind-sso": "SessionInvalidResponse", "hcx-internal-error": "SessionFlapping",
		"hybridity-sso-unset": "SessionAPIErrors",
	} {
		receiver.await(t, maxWait, "firing", expected, endpoint)
	}
	receiver.checkAlerts(t, x, switchedOff)
}

// watchToo adds an endpoint and its credential to the demo's configuration, which the demo
// reloads.
func watchToo(t *testing.T, x *exporter, name string, a *appliance, secretFile string) {
	t.Helper()
	found := regexp.MustCompile(`The configuration: (.*)\n`).FindStringSubmatch(x.stdout.String())
	if found == nil {
		t.Fatalf("the output does not name the configuration:\n%s", &x.stdout)
	}
	text := read(t, found[1])
	text = strings.Replace(text, "\ncredentials:\n", fmt.Sprintf("\ncredentials:\n  %s: {username: %s, password_file: %q}\n", name, user, secretFile), 1)
	text += fmt.Sprintf("  - {name: %s, url: %q, module: dr, credential: %[1]s, tls_config: {ca_file: %[3]q}}\n", name, a.url, caFile)
	write(t, found[1], text)
}

// alert is one alert of a webhook's notification.
type alert struct {
	Status              string
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time

	received time.Time
}

// receiver is a webhook receiver.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex // guards the fields below
	arrived []alert
	arrival chan struct{} // closed when an alert arrives
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{arrival: make(chan struct{})}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var notification struct{ Alerts []alert }
		if err := json.NewDecoder(request.Body).Decode(&notification); err != nil {
			t.Errorf("decoding the notification: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, a := range notification.Alerts {
			a.received = time.Now()
			r.arrived = append(r.arrived, a)
		}
		close(r.arrival)
		r.arrival = make(chan struct{})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrived)
}

// await waits for a notification and returns its first matching alert.
func (r *receiver) await(t *testing.T, limit time.Duration, status, name, endpoint string) alert {
	t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		r.mu.Lock()
		arrival := r.arrival
		i := slices.IndexFunc(r.arrived, func(a alert) bool {
			return a.Status == status && a.Labels["alertname"] == name && a.Labels["endpoint"] == endpoint
		})
		var found alert
		if i >= 0 {
			found = r.arrived[i]
		}
		r.mu.Unlock()
		if i >= 0 {
			return found
		}
		select {
		case <-arrival:
		case <-late.C:
			t.Fatalf("no notification that %s of %s is %s within %s", name, endpoint, status, limit)
		}
	}
}

// checkAlerts checks that these alerts have not arrived: a refused password at an appliance
// that never refused one, anything but SessionUnreachable for the appliance that is off, and
// any alert for an endpoint that was always valid, even if its sessions were renewed.
func (r *receiver) checkAlerts(t *testing.T, x *exporter, switchedOff string) {
	t.Helper()
	arrived := map[string][]string{} // by endpoint
	for _, n := range r.all() {
		name := cmp.Or(n.Labels["endpoint"], n.Labels["credential"])
		arrived[name] = append(arrived[name], n.Labels["alertname"])
	}
	for endpoint, alerts := range arrived {
		slices.Sort(alerts)
		alerts = slices.Compact(alerts)
		t.Logf("%s: %v", cmp.Or(endpoint, "no endpoint"), alerts)
		if slices.Contains(alerts, "SessionCredentialsRejected") && endpoint != "hcx-password-rotated" && endpoint != "dr-wrong-password" && endpoint != "dr-corrected" {
			t.Errorf("%s is reported as refusing its password", endpoint)
		}
		if endpoint == switchedOff && !slices.Equal(alerts, []string{"SessionUnreachable"}) {
			t.Errorf("%s, which is off, raised %v", endpoint, alerts)
		}
		// On a busy machine, the probe of a healthy appliance may time out, so the log
		// decides which endpoints were always valid.
		if endpoint != "" && slices.Equal(x.states(t, endpoint), []string{"valid"}) {
			t.Errorf("%s, which was always valid, raised %v", endpoint, alerts)
		}
	}
	if renewals := x.scrape(t).sum(`session_expirations_total{endpoint="hcx-session-dies"}`); !(renewals > 5) {
		t.Errorf("the sessions of hcx-session-dies expired %v times, want more than 5", renewals)
	}
}

// keepFiring is the `keep_firing_for` of SessionCredentialsRejected.
const keepFiring = 5 * time.Minute

// alertmanager runs Alertmanager with the configuration that users get, except for the
// receivers' address and, unless wait is empty, the group wait and interval. It returns
// Alertmanager's address.
func alertmanager(t *testing.T, receiver, wait string) string {
	t.Helper()
	dir := t.TempDir()
	text := replaced(t, read(t, deployed+"alertmanager/alertmanager.yml"), "http://alert-receiver.example.com", receiver)
	if wait != "" {
		text = regexp.MustCompile(`(group_wait|group_interval): \S+`).ReplaceAllString(text, "$1: "+wait)
	}
	file := write(t, filepath.Join(dir, "alertmanager.yml"), text)
	return launch(t, tool(t, "alertmanager-v0.31.1"), "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.format=logfmt").address(t)
}

// prometheusWith runs Prometheus with the configuration and the rules that users get,
// except for addresses and the intervals of scrapes and evaluations.
func prometheusWith(t *testing.T, x *exporter, alertmanager, interval string) {
	t.Helper()
	rules, err := filepath.Abs(deployed + "prometheus/rules")
	if err != nil {
		t.Fatal(err)
	}
	text := replaced(t, read(t, deployed+"prometheus/prometheus.yml"), "rules/*.yml", rules+"/*.yml", "localhost:9093", alertmanager,
		"localhost:10987", strings.TrimPrefix(x.url, "http://"), "scrape_interval: 10s", "scrape_interval: "+interval, "evaluation_interval: 10s", "evaluation_interval: "+interval)
	dir := t.TempDir()
	launch(t, tool(t, "prometheus"), "--config.file="+write(t, filepath.Join(dir, "prometheus.yml"), text),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--log.format=logfmt").address(t)
}

// replaced replaces texts, each of which must occur.
func replaced(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q is not in:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkRunbook checks that an alert links to its runbook: on the exporter or, if the alert
// fires when it is down, on GitHub.
func checkRunbook(t *testing.T, name, url, exporter string) {
	t.Helper()
	want := exporter + "/runbooks/" + name
	if name == "SessionExporterDown" || name == "SessionExporterShardMissing" {
		want = publicRunbooks + name + ".md"
	}
	if url != want {
		t.Errorf("the runbook of %s is %q, want %q", name, url, want)
	}
	if _, err := os.Stat(runbooks + name + ".md"); err != nil {
		t.Error(err)
	}
}

// checkLinks follows an alert's links to the exporter: to the endpoint's page and the
// runbook.
func checkLinks(t *testing.T, x *exporter, a alert) {
	t.Helper()
	checkRunbook(t, a.Labels["alertname"], a.Annotations["runbook_url"], x.url)
	for annotation, heading := range map[string]string{"page_url": a.Labels["endpoint"], "runbook_url": a.Labels["alertname"]} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.Annotations[annotation], http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/html")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // only read
		if err != nil || response.StatusCode != http.StatusOK || !regexp.MustCompile(`<h1[^>]*>(<[^>]*>)*`+heading+`<`).Match(page) {
			t.Errorf("%s of %s is %s: %s, %v", annotation, heading, a.Annotations[annotation], response.Status, err)
		}
	}
}

// TestAlertRules checks that every alert has its annotations, a test that it fires, a
// test that it does not, and an entry in the documentation.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert               string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, deployed+"prometheus/rules/alerts.yml")), &rules); err != nil {
		t.Fatal(err)
	}
	fires, silent := alertTests(t)
	documented := read(t, "../../docs/alerts.md")
	alerts := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts++
			checkRunbook(t, rule.Alert, rule.Annotations["runbook_url"], "http://{{ $labels.instance }}")
			if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
				t.Errorf("%s: severity %q", rule.Alert, severity)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s lacks a summary or description", rule.Alert)
			}
			if !fires[rule.Alert] || !silent[rule.Alert] {
				t.Errorf("%s: has a test that it fires: %t, and one that it does not: %t; want both", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			}
			if !strings.Contains(documented, "["+rule.Alert+"](runbooks/"+rule.Alert+".md)") {
				t.Errorf("docs/alerts.md lacks %s", rule.Alert)
			}
		}
	}
	if alerts == 0 {
		t.Error("the rules have no alerts")
	}
}

// alertTests returns the alerts with a test that they fire, and those with a test that
// they do not.
func alertTests(t *testing.T) (fires, silent map[string]bool) {
	t.Helper()
	fires, silent = map[string]bool{}, map[string]bool{}
	for _, file := range glob(t, "prometheus/tests/*.yml") {
		var tests struct {
			Tests []struct {
				Cases []struct {
					Name     string `yaml:"alertname"`
					Expected []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, file)), &tests); err != nil {
			t.Fatal(err)
		}
		for _, test := range tests.Tests {
			for _, c := range test.Cases {
				fires[c.Name] = fires[c.Name] || len(c.Expected) > 0
				silent[c.Name] = silent[c.Name] || len(c.Expected) == 0
			}
		}
	}
	return fires, silent
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(deployed + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return files
}

// TestAlertFiles checks the alert files with promtool and amtool.
func TestAlertFiles(t *testing.T) {
	t.Parallel()
	rules, unitTests := glob(t, "prometheus/rules/*.yml"), glob(t, "prometheus/tests/*.yml")
	configurations := glob(t, "prometheus/*.yml")
	const routing = deployed + "alertmanager/alertmanager.yml"
	promtool, amtool := tool(t, "promtool"), tool(t, "amtool-v0.31.1")
	for name, command := range map[string][]string{
		"check rules":        slices.Concat([]string{promtool, "check", "rules", "--lint=all", "--lint-fatal"}, rules),
		"test rules":         slices.Concat([]string{promtool, "test", "rules"}, unitTests),
		"check config":       slices.Concat([]string{promtool, "check", "config", "--lint=all", "--lint-fatal"}, configurations),
		"check alertmanager": {amtool, "check-config", routing},
		"route critical":     {amtool, "config", "routes", "test", "--config.file=" + routing, "--verify.receivers=on-call", "severity=critical"},
		"route warning":      {amtool, "config", "routes", "test", "--config.file=" + routing, "--verify.receivers=team", "severity=warning"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", command[1:], err, output)
			}
		})
	}
}

// TestInhibition sends causes and their consequences to a real Alertmanager with the
// configuration that users get: it notifies of the causes and suppresses the consequences.
func TestInhibition(t *testing.T) {
	t.Parallel()
	server := "http://" + alertmanager(t, "http://127.0.0.1:1", "1s") // no such receiver
	sent := map[string]bool{                                          // alert/endpoint@instance#credential: whether it should be active
		"SessionUnreachable/off@x": true, "SessionFlapping/off@x": false, "SessionSlow/off@x": false, "SessionLeak/off@x": false,
		"SessionValidityBurnRateFast/off@x": false, "SessionValidityBurnRateSlow/off@x": false, "SessionCertificateExpiringSoon/off@x": true,

		"SessionCredentialsRejected/refused@x": true, "SessionCredentialExpiringVerySoon/refused@x": false,
		"SessionCredentialExpiringSoon/refused@x": false, "SessionValidityBurnRateFast/refused@x": false, "SessionFlapping/refused@x": false,

		"SessionLoginSuspended/held-back@x": true, "SessionValidityBurnRateFast/held-back@x": false,
		"SessionValidityBurnRateSlow/held-back@x": false, "SessionFlapping/held-back@x": false,

		"SessionCredentialsRejected/refused@x#shared": true, "SessionLoginSuspended/shares@x#shared": false, "SessionCredentialSuspended/@x#shared": false,
		"SessionLoginSuspended/alone@x#another": true, "SessionCredentialSuspended/@x#another": false, "SessionCredentialSuspended/@x#third": true,
		"SessionLoginSuspended/shares@y#shared": true,

		"SessionTLSFailed/certificate@x": true, "SessionCertificateExpiringSoon/certificate@x": false,

		"SessionProbesStale/stale@x": true, "SessionUnreachable/stale@x": false, "SessionClockSkew/stale@x": false,

		// The same alerts for other endpoints, without those causes. SessionFlapping
		// still suppresses SessionLeak, and the fast burn rate the slow one.
		"SessionFlapping/other@x": true, "SessionSlow/other@x": true, "SessionSlow/off@y": true, "SessionLeak/other@x": false, "SessionLeak/leaking@x": true,
		"SessionCredentialExpiringSoon/other@x": true, "SessionClockSkew/off@x": true,
		"SessionValidityBurnRateFast/burning@x": true, "SessionValidityBurnRateSlow/burning@x": false,
		"SessionValidityBurnRateSlow/other@x": true, "SessionExporterReloadFailed/@x": true,

		"SessionExporterDown/@z": true, "SessionCredentialsRejected/a@z": false, "SessionUnreachable/b@z": false,
		"SessionProbesStale/c@z": false, "SessionExporterReloadFailed/@z": false,
	}
	type posted struct {
		Labels map[string]string `json:"labels"`
	}
	var alerts []posted
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		parts := regexp.MustCompile(`^(\w+)/([\w-]*)@(\w+)(?:#(\w+))?$`).FindStringSubmatch(key)
		alerts = append(alerts, posted{map[string]string{"alertname": parts[1], "endpoint": parts[2], "instance": parts[3], "credential": parts[4], "severity": "warning"}})
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(server+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	eventually(t, func() error { return checkInhibited(sent, server) })
}

// checkInhibited compares the states of Alertmanager's alerts with those expected.
func checkInhibited(sent map[string]bool, server string) error {
	response, err := http.Get(server + "/api/v2/alerts")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var alerts []struct {
		Labels map[string]string
		Status struct{ State string }
	}
	if err := json.NewDecoder(response.Body).Decode(&alerts); err != nil {
		return err
	}
	if len(alerts) != len(sent) {
		return fmt.Errorf("%d alerts, want %d", len(alerts), len(sent))
	}
	var differences []string
	for _, a := range alerts {
		key := fmt.Sprintf("%s/%s@%s", a.Labels["alertname"], a.Labels["endpoint"], a.Labels["instance"])
		if credential := a.Labels["credential"]; credential != "" {
			key += "#" + credential
		}
		if wanted := map[bool]string{true: "active", false: "suppressed"}[sent[key]]; a.Status.State != wanted {
			differences = append(differences, fmt.Sprintf("%s is %s, want %s", key, a.Status.State, wanted))
		}
	}
	if differences != nil {
		slices.Sort(differences)
		return fmt.Errorf("%s", strings.Join(differences, "\n"))
	}
	return nil
}
