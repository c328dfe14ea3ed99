package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
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
	deployed   = "../deploy/"
	runbooks   = "../docs/runbooks/"
	runbookURL = "https://github.com/session-exporter/session_exporter/blob/main/docs/runbooks/"
)

// TestAlerts: the way of an incident from the appliance to somebody's webhook,
// all of it real: the demo, and Prometheus and Alertmanager with the files that
// users are given, `for` included. Only addresses and intervals are others.
func TestAlerts(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t)
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	const switchedOff = "dr-switched-off"
	appliance := newDR(t, withAccount(password))
	appliance.mayLeak = true // when it is off, nobody can log out
	secrets := watchToo(t, x, switchedOff, appliance)
	prometheusWith(t, x, alertmanager(t, receiver.URL))
	began, err := time.Parse(time.RFC3339, x.logLines(t)[0]["ts"])
	if err != nil {
		t.Fatal(err)
	}

	// The demo's other appliances come and go; this one goes for good. Until then
	// its password is accepted.
	x.await(t, want{fmt.Sprintf("session_auth_success{endpoint=%q}", switchedOff): 1})
	off := time.Now()
	appliance.server.Off()

	// The password is changed 15 s into each period, and the exporter notices when
	// it next logs in.
	const rotated, period, changed = "hcx-password-rotated", 90 * time.Second, 15 * time.Second
	firing := receiver.await(t, 3*period, "firing", "SessionCredentialsRejected", rotated)
	incident := began.Add(changed)
	for incident.Add(period).Before(firing.StartsAt) {
		incident = incident.Add(period)
	}
	t.Logf("SessionCredentialsRejected: %s from the change of the password to the webhook", firing.received.Sub(incident).Round(time.Second/10))
	if got := firing.Labels; got["severity"] != "critical" || got["api"] != "hcx" || got["kind"] != "changing" || got["site"] == "" {
		t.Errorf("labels %v", got)
	}
	checkRunbook(t, firing.Labels["alertname"], firing.Annotations["runbook_url"])

	// The demo writes the right password into the file. Not before that, and not
	// while the guard withholds all logins, is the alert over.
	resolved := receiver.await(t, period, "resolved", "SessionCredentialsRejected", rotated)
	secret, err := os.Stat(filepath.Join(secrets, rotated))
	if err != nil {
		t.Fatal(err)
	}
	if published := secret.ModTime(); published.Before(incident) || resolved.EndsAt.Before(published) {
		t.Errorf("the password was changed at %s, the right one published at %s, and the alert over at %s", incident, published, resolved.EndsAt)
	}
	t.Logf("SessionCredentialsRejected: resolved %s after the right password", resolved.received.Sub(secret.ModTime()).Round(time.Second/10))

	unreachable := receiver.await(t, 8*time.Minute, "firing", "SessionUnreachable", switchedOff)
	t.Logf("SessionUnreachable: %s from the power-off to the webhook", unreachable.received.Sub(off).Round(time.Second/10))
	checkRunbook(t, unreachable.Labels["alertname"], unreachable.Annotations["runbook_url"])
	for endpoint, expected := range map[string]string{
		"dr-wrong-password": "SessionCredentialsRejected", "dr-nobody": "SessionExpired", "hcx-forbidden": "SessionForbidden",
		"dr-slots-exhausted": "SessionAPIErrors", "hcx-certificate-expired": "SessionTLSFailed",
		"hcx-behind-login-page": "SessionInvalidResponse", "dr-behind-sso": "SessionInvalidResponse", "dr-powered-off": "SessionFlapping",
	} {
		receiver.await(t, patience, "firing", expected, endpoint)
	}
	receiver.checkTruth(t, x, switchedOff)
}

// watchToo adds an endpoint to the demo's configuration, which the demo reloads.
// It returns the folder of the demo's secrets.
func watchToo(t *testing.T, x *exporter, name string, a *appliance) string {
	t.Helper()
	found := regexp.MustCompile(`The configuration: (.*)\n`).FindStringSubmatch(x.stdout.String())
	if found == nil {
		t.Fatalf("it does not say where its configuration is:\n%s", &x.stdout)
	}
	text := read(t, found[1])
	text = strings.Replace(text, "\ncredentials:\n", fmt.Sprintf("\ncredentials:\n  %s: {username: %s, password_file: %q}\n", name, user, secretFile(t, password)), 1)
	text += fmt.Sprintf("  - {name: %s, url: %q, module: dr, credential: %[1]s, tls_config: {ca_file: %[3]q}}\n", name, a.url, caFile)
	write(t, found[1], text)
	return filepath.Dir(found[1])
}

// alert is one in a webhook's notification.
type alert struct {
	Status              string
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time

	received time.Time
}

// receiver is somebody's webhook.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex // guards the fields below
	arrived  []alert
	newcomer chan struct{} // closed when there is one
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{newcomer: make(chan struct{})}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var notification struct{ Alerts []alert }
		if err := json.NewDecoder(request.Body).Decode(&notification); err != nil {
			t.Errorf("the webhook was sent %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, a := range notification.Alerts {
			a.received = time.Now()
			r.arrived = append(r.arrived, a)
		}
		close(r.newcomer)
		r.newcomer = make(chan struct{})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrived)
}

// await waits for a notification, and returns the first.
func (r *receiver) await(t *testing.T, limit time.Duration, status, name, endpoint string) alert {
	t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		r.mu.Lock()
		newcomer := r.newcomer
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
		case <-newcomer:
		case <-late.C:
			t.Fatalf("no %s %s of %s within %s", status, name, endpoint, limit)
		}
	}
}

// checkTruth holds what has arrived to what must never: a refused password where
// none was, anything but unreachable of what is off, and anything at all of an
// endpoint with which the exporter found nothing wrong, renewals included.
func (r *receiver) checkTruth(t *testing.T, x *exporter, switchedOff string) {
	t.Helper()
	arrived := map[string][]string{} // by endpoint
	for _, n := range r.all() {
		arrived[n.Labels["endpoint"]] = append(arrived[n.Labels["endpoint"]], n.Labels["alertname"])
	}
	for endpoint, alerts := range arrived {
		slices.Sort(alerts)
		alerts = slices.Compact(alerts)
		t.Logf("%s: %v", cmp.Or(endpoint, "no endpoint"), alerts)
		if slices.Contains(alerts, "SessionCredentialsRejected") && endpoint != "hcx-password-rotated" && endpoint != "dr-wrong-password" {
			t.Errorf("%s is said to refuse its password", endpoint)
		}
		if endpoint == switchedOff && !slices.Equal(alerts, []string{"SessionUnreachable"}) {
			t.Errorf("%s, which is off, raised %v", endpoint, alerts)
		}
		// A busy machine may time out.
		if endpoint != "" && slices.Equal(x.states(t, endpoint), []string{"valid"}) {
			t.Errorf("%s, which was always valid, raised %v", endpoint, alerts)
		}
	}
	if m := x.scrape(t); !(m.sum(`session_expirations_total{endpoint="hcx-session-dies"}`) > 5) {
		t.Error("no session was renewed")
	}
}

// alertmanager runs one with the configuration that users are given, but for the
// address of the receivers and the time that it waits for more to say at once.
// It returns its address.
func alertmanager(t *testing.T, receiver string) string {
	t.Helper()
	dir := t.TempDir()
	text := replaced(t, read(t, deployed+"alertmanager/alertmanager.yml"), "http://alert-receiver.example.com", receiver)
	text = regexp.MustCompile(`(group_wait|group_interval): \S+`).ReplaceAllString(text, "$1: 1s")
	file := write(t, filepath.Join(dir, "alertmanager.yml"), text)
	return launch(t, tool(t, "alertmanager-v0.31.1"), "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.format=logfmt").address(t)
}

// prometheusWith runs one with the configuration and the rules that users are
// given, but for addresses, and every second.
func prometheusWith(t *testing.T, x *exporter, alertmanager string) {
	t.Helper()
	rules, err := filepath.Abs(deployed + "prometheus/rules")
	if err != nil {
		t.Fatal(err)
	}
	text := replaced(t, read(t, deployed+"prometheus/prometheus.yml"), "rules/*.yml", rules+"/*.yml", "localhost:9093", alertmanager,
		"localhost:10987", strings.TrimPrefix(x.url, "http://"), "scrape_interval: 15s", "scrape_interval: 1s", "evaluation_interval: 15s", "evaluation_interval: 1s")
	dir := t.TempDir()
	launch(t, tool(t, "prometheus"), "--config.file="+write(t, filepath.Join(dir, "prometheus.yml"), text),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--log.format=logfmt").address(t)
}

// replaced replaces texts, each of which must be there.
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

// checkRunbook checks that an alert leads to its page.
func checkRunbook(t *testing.T, name, url string) {
	t.Helper()
	if url != runbookURL+name+".md" {
		t.Errorf("the runbook of %s is %q", name, url)
	}
	if _, err := os.Stat(runbooks + name + ".md"); err != nil {
		t.Error(err)
	}
}

// TestAlertRules: every alert says what its reader needs, and has a test that it
// fires, a test that it does not, and its place in the documentation.
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
	documented := read(t, "../docs/alerts.md")
	alerts := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts++
			checkRunbook(t, rule.Alert, rule.Annotations["runbook_url"])
			if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
				t.Errorf("%s: severity %q", rule.Alert, severity)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s does not say what is wrong and what to do", rule.Alert)
			}
			if !fires[rule.Alert] || !silent[rule.Alert] {
				t.Errorf("%s: tested that it fires: %t, that it does not: %t", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			}
			if !strings.Contains(documented, "["+rule.Alert+"](runbooks/"+rule.Alert+".md)") {
				t.Errorf("docs/alerts.md does not have %s", rule.Alert)
			}
		}
	}
	if alerts == 0 {
		t.Error("there are no alerts")
	}
}

// alertTests returns of which alerts it is tested that they fire, and of which
// that they do not.
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
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	return files
}

// TestAlertFiles: what the tools that read these files say of them.
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

// TestInhibition: of what a real Alertmanager with the configuration that users
// are given is told at once, it passes the cause on and keeps what comes of it.
func TestInhibition(t *testing.T) {
	t.Parallel()
	server := "http://" + alertmanager(t, "http://127.0.0.1:1") // nobody
	told := map[string]bool{                                    // alert/endpoint@instance: to be passed on
		"SessionUnreachable/off@x": true, "SessionFlapping/off@x": false, "SessionSlow/off@x": false, "SessionLeak/off@x": false,
		"SessionValidityBurnRateFast/off@x": false, "SessionValidityBurnRateSlow/off@x": false, "SessionCertificateExpiringSoon/off@x": true,

		"SessionCredentialsRejected/refused@x": true, "SessionCredentialExpiringVerySoon/refused@x": false,
		"SessionCredentialExpiringSoon/refused@x": false, "SessionValidityBurnRateFast/refused@x": false, "SessionFlapping/refused@x": false,

		"SessionLoginSuspended/withheld@x": true, "SessionValidityBurnRateFast/withheld@x": false,
		"SessionValidityBurnRateSlow/withheld@x": false, "SessionFlapping/withheld@x": false,

		"SessionTLSFailed/certificate@x": true, "SessionCertificateExpiringSoon/certificate@x": false,

		"SessionProbesStale/stale@x": true, "SessionUnreachable/stale@x": false, "SessionClockSkew/stale@x": false,

		// The same of others, for which there is no such cause.
		"SessionFlapping/other@x": true, "SessionSlow/other@x": true, "SessionSlow/off@y": true, "SessionLeak/other@x": true,
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
	for _, key := range slices.Sorted(maps.Keys(told)) {
		parts := regexp.MustCompile(`^(\w+)/([\w-]*)@(\w+)$`).FindStringSubmatch(key)
		alerts = append(alerts, posted{map[string]string{"alertname": parts[1], "endpoint": parts[2], "instance": parts[3], "severity": "warning"}})
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
	eventually(t, func() error { return differFrom(told, server) })
}

// differFrom says what Alertmanager passes on of what it was told, and keeps,
// otherwise than it is to.
func differFrom(told map[string]bool, server string) error {
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
	if len(alerts) != len(told) {
		return fmt.Errorf("%d alerts, want %d", len(alerts), len(told))
	}
	var wrong []string
	for _, a := range alerts {
		key := fmt.Sprintf("%s/%s@%s", a.Labels["alertname"], a.Labels["endpoint"], a.Labels["instance"])
		if wanted := map[bool]string{true: "active", false: "suppressed"}[told[key]]; a.Status.State != wanted {
			wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", key, a.Status.State, wanted))
		}
	}
	if wrong != nil {
		slices.Sort(wrong)
		return fmt.Errorf("%s", strings.Join(wrong, "\n"))
	}
	return nil
}
