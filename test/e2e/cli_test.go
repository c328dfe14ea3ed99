package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"session_exporter/simulator"
)

func TestCheckConfig(t *testing.T) {
	t.Parallel()
	t.Run("good", func(t *testing.T) {
		t.Parallel()
		file := configFile(t, fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password: %s}
endpoints:
  - {name: a, url: https://hcx.example.com:9443, module: hcx, credential: account}
  - {name: b, url: https://srm.example.com/api/rest/srm/v2, module: dr, credential: account}
`, caFile, user, password))
		for _, args := range [][]string{{"check-config", file}, {"check-config", "--strict", file}} {
			got := run(t, args...)
			if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, file+" is valid: 2 endpoints, 1 credential.") {
				t.Errorf("%v: %+v", args, got)
			}
		}
	})
	t.Run("suspicious", func(t *testing.T) {
		t.Parallel()
		file := configFile(t, fmt.Sprintf(prelude+`
credentials:
  account: {username: "%s ", password: %s}
endpoints:
  - {name: a, url: https://hcx.example.com, module: hcx, credential: account}
  - {name: b, url: https://srm.example.com/api/rest/srm/v2, module: dr, credential: account}
`, caFile, user, password))
		lax, strict := run(t, "check-config", file), run(t, "check-config", "--strict", file)
		if lax.code != 0 || strings.Count(lax.stderr, ": warning: ") != 2 || !strings.Contains(lax.stdout, " is valid: ") {
			t.Errorf("%+v", lax)
		}
		if strict.code != 1 || strict.stdout != "" || !strings.HasPrefix(strict.stderr, lax.stderr) {
			t.Errorf("with --strict: %+v", strict)
		}
	})
	t.Run("endless", func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		if got := run(t, "check-config", "/dev/zero"); got.code != 1 || got.stderr != "/dev/zero: is a pipe, a socket or a device; use a regular file\n" || time.Since(begin) > 10*time.Second {
			t.Errorf("%+v after %s", got, time.Since(begin))
		}
	})
	t.Run("bad", func(t *testing.T) {
		t.Parallel()
		file := configFile(t, `global: {interval: 1x}
credentials:
  account:
    username: monitor
    password: canary-password
    pasword_file: /run/secret
  gone: {token_file: /does/not/exist}
modules:
  hcx:
    api: hcxx
    credential: acount
endpoints:
  - {name: a, url: "ftp://hcx.example.com", module: hcx}
  - {name: a, url: "https://monitor:canary-url@hcx.example.com", module: hcx}
  - {name: b, url: "https://hcx.example.com", module: hcy}
`)
		got := run(t, "check-config", file)
		if got.code != 1 || got.stdout != "" {
			t.Errorf("%+v", got)
		}
		for _, where := range []string{
			":1: global.interval: ", ":6: credentials.account.pasword_file: ", ":7: credentials.gone.token_file: ", ":10: modules.hcx.api: ",
			":11: modules.hcx.credential: ", ":13: endpoints[0].url: ", ":14: endpoints[1].name: ", ":14: endpoints[1].url: ", ":15: endpoints[2].module: ",
		} {
			if !strings.Contains(got.stderr, file+where) {
				t.Errorf("no error at %q", where)
			}
		}
		for line := range strings.Lines(got.stderr) {
			if !strings.HasPrefix(line, file+":") {
				t.Errorf("no file and line in %q", line)
			}
		}
		// The command serve prints the same.
		if served := run(t, "--config.file="+file); served.code != 2 || !strings.HasSuffix(served.stderr, got.stderr) {
			t.Errorf("serve: %+v", served)
		}
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "none.yml")
		if got := run(t, "check-config", file); got.code != 1 || !strings.HasPrefix(got.stderr, file+": ") {
			t.Errorf("%+v", got)
		}
	})
}

func TestUsage(t *testing.T) {
	t.Parallel()
	good := configFile(t, fmt.Sprintf(prelude, caFile)+"credentials: {script: {token: "+canary+"x}}\nendpoints: [{name: a, url: 'https://a.example.com', module: dr, credential: script}]\n")
	for _, c := range []struct {
		name string
		args []string
		want string // on stderr
	}{
		{"unknown flag", []string{"--no-such-flag"}, "no-such-flag"},
		{"unknown command", []string{"watch"}, "watch"},
		{"unknown log level", []string{"--log.level=loud"}, "loud"},
		{"unknown log format", []string{"--log.format=xml"}, "xml"},
		{"probe of nothing", []string{"probe", "--config.file=" + good}, "name endpoints of " + good + " or use --all; available: a"},
		{"probe of all and one", []string{"probe", "--config.file=" + good, "--all", "a"}, "--all"},
		{"probe of an unknown endpoint", []string{"probe", "--config.file=" + good, "b"}, `has no endpoint "b"; available: a`},
		{"probe with an unknown output", []string{"probe", "--config.file=" + good, "-o", "xml", "a"}, "xml"},
		{"probe without a configuration", []string{"probe", "--config.file=/does/not/exist.yml", "a"}, "/does/not/exist.yml"},
		{"bad telemetry path", []string{"--config.file=" + good, "--web.telemetry-path=metrics"}, "--web.telemetry-path"},
		{"bad external URL", []string{"--config.file=" + good, "--web.external-url=example"}, "--web.external-url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, c.args...)
			if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	help := run(t, "--help")
	if help.code != 0 || help.stderr != "" {
		t.Errorf("%+v", help)
	}
	for _, command := range []string{"serve", "probe", "check-config", "demo", "simulate"} {
		if !strings.Contains(help.stdout, "\n"+command) {
			t.Errorf("--help does not name %s", command)
		}
	}
	if got := run(t, "probe", "--help"); got.code != 0 || !strings.Contains(got.stdout, "--output") || got.stderr != "" {
		t.Errorf("probe --help: %+v", got)
	}
	if got := run(t, "--version"); got.code != 0 || !strings.HasPrefix(got.stdout, "session_exporter, version ") || got.stderr != "" {
		t.Errorf("--version: %+v", got)
	}
}

// mixedAppliances returns healthy and broken appliances, by endpoint, and the file with their
// configuration.
func mixedAppliances(t *testing.T) (file string, appliances map[string]*appliance) {
	t.Helper()
	appliances = map[string]*appliance{
		"good":     newHCX(t, withAccount(password)),
		"good-dr":  newDR(t, withAccount(password)),
		"rejected": newHCX(t, withAccount(newPassword)),
		"failing":  newDR(t, with(withAccount(password), simulator.Fault{On: simulator.Check, Status: 500, Code: "com.example.broken"})),
		"html":     newHCX(t, with(withAccount(password), simulator.Fault{Status: http.StatusOK, Body: "<html>Sign in</html>"})),
		"off":      newDR(t, withAccount(password)),
	}
	appliances["off"].server.Off()
	modules := map[string]string{"good-dr": "dr", "failing": "dr", "off": "dr"}
	var b strings.Builder
	fmt.Fprintf(&b, strings.ReplaceAll(prelude, "4s", "10s")+`
credentials:
  account: {username: %s, password_file: %q}
  other: {username: %[2]s, password_file: %[3]q}
endpoints:
`, caFile, user, secretFile(t, password))
	for _, name := range slices.Sorted(maps.Keys(appliances)) {
		module, credential := "hcx", "account"
		if m, ok := modules[name]; ok {
			module = m
		}
		if name == "rejected" {
			credential = "other"
		}
		fmt.Fprintf(&b, "  - {name: %s, url: %s, module: %s, credential: %s, labels: {site: x}}\n", name, appliances[name].url, module, credential)
	}
	return configFile(t, b.String()), appliances
}

func TestProbeText(t *testing.T) {
	t.Parallel()
	file, appliances := mixedAppliances(t)
	for _, c := range []struct {
		name     string
		code     int
		contains []string
	}{
		{"good", 0, []string{"good: valid\n", `Logged in as "monitor".`, "login", "check", "200"}},
		{"good-dr", 0, []string{"good-dr: valid\n"}},
		{"rejected", 1, []string{"rejected: credentials_rejected\n", `Wrong password for "monitor"`, "401 INVALID_CREDENTIALS", "What to do: The password in"}},
		{"failing", 1, []string{"failing: server_error\n", "com.example.broken", "What to do: "}},
		{"html", 1, []string{"html: invalid_response\n", "HTML", "What to do: Check `url`"}},
		{"off", 1, []string{"off: unreachable\n", "Nothing listens on 127.0.0.1:", "connection refused", "no connection", "What to do: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, "probe", "--config.file="+file, c.name)
			if got.code != c.code || got.stderr != "" {
				t.Errorf("%+v", got)
			}
			for _, text := range c.contains {
				if !strings.Contains(got.stdout, text) {
					t.Errorf("%q is not in:\n%s", text, got.stdout)
				}
			}
			if stats := appliances[c.name].Stats(); stats.Logins != stats.Logouts {
				t.Errorf("%d logins and %d logouts", stats.Logins, stats.Logouts)
			}
		})
	}
}

func TestProbeAll(t *testing.T) {
	t.Parallel()
	wanted := map[string]string{
		"good": "valid", "good-dr": "valid", "rejected": "credentials_rejected", "failing": "server_error", "html": "invalid_response", "off": "unreachable",
	}
	file, appliances := mixedAppliances(t)
	t.Run("text", func(t *testing.T) {
		got := run(t, "probe", "--all", "--config.file="+file)
		rows, explained, _ := strings.Cut(got.stdout, "\n\n")
		explained = "\n" + explained
		lines := strings.Split(rows, "\n")
		if len(lines) != 1+len(wanted) || got.code != 1 || got.stderr != "" || strings.Contains(got.stdout, "\x1b") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", got.code, got.stderr, got.stdout)
		}
		for i, line := range lines[1:] {
			fields := strings.Fields(line)
			if len(fields) < 4 || wanted[fields[0]] != fields[1] || (fields[1] == "valid") != (i >= len(wanted)-2) {
				t.Errorf("line %d: %q", i, line)
			}
		}
		if summary := "\n6 endpoints: 1 credentials_rejected, 1 server_error, 1 invalid_response, 1 unreachable, 2 valid\n"; !strings.Contains(explained, summary) {
			t.Errorf("no line %q in:\n%s", summary, explained)
		}
		for name, state := range wanted {
			if strings.Contains(explained, "\n"+name+": "+state+"\n") != (state != "valid") {
				t.Errorf("%s, which is %s: only failing endpoints must be explained:\n%s", name, state, explained)
			}
		}
	})
	t.Run("json", func(t *testing.T) {
		got := run(t, "probe", "--all", "--config.file="+file, "-o", "json")
		var reports []struct {
			Endpoint, API, URL, State, Diagnosis, Advice, Username string
			Labels                                                 map[string]string
			Duration                                               float64 `json:"duration_seconds"`
			Steps                                                  []struct {
				Step, Method, URL string
				Status            int
			}
		}
		if err := json.Unmarshal([]byte(got.stdout), &reports); err != nil {
			t.Fatalf("%v:\n%s", err, got.stdout)
		}
		if got.code != 1 || len(reports) != len(wanted) {
			t.Errorf("exit code %d, %d endpoints", got.code, len(reports))
		}
		for _, r := range reports {
			a := appliances[r.Endpoint]
			if r.State != wanted[r.Endpoint] || r.Diagnosis == "" || r.URL != a.url || r.Labels["site"] != "x" || !(r.Duration > 0) || len(r.Steps) == 0 ||
				(r.State == "valid") != (r.Username == user) || (r.State == "valid") != (r.Advice == "") {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("metrics", func(t *testing.T) {
		got := run(t, "probe", "--all", "--config.file="+file, "--output=metrics")
		m := parse(t, got.stdout)
		for name, state := range wanted {
			m.check(t, want{fmt.Sprintf("session_state{endpoint=%q,state=%q}", name, state): 1, fmt.Sprintf("session_probes_total{endpoint=%q}", name): 1})
		}
		m.check(t, want{"session_up": 2, "session_probes_total": 6})
		lint(t, got.stdout)
		if got.code != 1 {
			t.Errorf("exit code %d", got.code)
		}
	})
	for name, a := range appliances {
		if stats := a.Stats(); stats.Logins != stats.Logouts || stats.Sessions > 0 {
			t.Errorf("%s: %+v", name, stats)
		}
	}
}

func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

// TestAppliancesThatQuote: secrets, tokens and control characters in an appliance's responses
// are never shown.
func TestAppliancesThatQuote(t *testing.T) {
	t.Parallel()
	serve := func(handler http.HandlerFunc) string {
		server, err := ca.Serve(handler, "127.0.0.1:0", simulator.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		return server.URL()
	}
	paints := serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Hm-Authorization", canary+"session")
		if r.Method == http.MethodPost {
			_, _ = fmt.Fprint(w, `{"success":true,"data":{"user":{"username":"monitor"}}}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprint(w, `{"success":false,"errorCode":"E\u001b[31m\u0000","error":"line\nbreak \u202e"}`)
	})
	echoes := serve(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		token := r.Header.Get("X-Hm-Authorization")
		w.WriteHeader(http.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(map[string]any{"success": false, "errorCode": "E" + token, "error": fmt.Sprintf("%s %s %q", sent, token, r.Header)})
	})
	configuration := fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password: %s}
  script: {token: %s}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
  - {name: b, url: %[5]s, module: hcx, credential: script}
  - {name: c, url: %[6]s, module: hcx, credential: account}
  - {name: d, url: %[6]s, module: hcx, credential: account, auth: basic}
  - {name: e, url: %[6]s, module: hcx, credential: script}
`, caFile, user, password, canary+"token", paints, echoes)
	file := configFile(t, configuration)
	for _, output := range []string{"text", "json", "metrics"} {
		if got := run(t, "probe", "--all", "--config.file="+file, "-o", output); got.code != 1 || strings.ContainsAny(got.stdout+got.stderr, "\x00\x1b\u202e") {
			t.Errorf("%+v", got)
		}
	}
	x := listening(t, "--config.file="+file, "--web.listen-address=127.0.0.1:0", "--log.level=debug")
	x.await(t, want{`session_state{state="server_error"}`: 5})
	x.get(t, "/")
	if strings.ContainsAny(x.stderr.String(), "\x00\x1b\u202e") {
		t.Errorf("the log has control characters: %q", &x.stderr)
	}
}

// TestProbeInterrupted: Ctrl-C while an appliance does not respond stops the command and logs
// out.
func TestProbeInterrupted(t *testing.T) {
	t.Parallel()
	a := newHCX(t, with(withAccount(password), simulator.Fault{On: simulator.Check, Hang: true}))
	p := launch(t, binary, "probe", "a", "--config.file="+configFile(t, fmt.Sprintf(strings.ReplaceAll(prelude, "4s", "2m")+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
`, caFile, user, secretFile(t, password), a.url)))
	eventually(t, func() error {
		if a.Stats().Checks == 0 {
			return errors.New("no check has arrived")
		}
		return nil
	})
	start := time.Now()
	code := p.stop(t, os.Interrupt)
	if took := time.Since(start); code != 1 || took > inTime || !strings.Contains(p.stderr.String(), "interrupted") {
		t.Errorf("exit code %d after %s:\n%s", code, took, &p.stderr)
	}
	if stats := a.Stats(); stats.Sessions > 0 || stats.Logouts != 1 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

func TestLogFormats(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	configuration := fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
`, caFile, user, secretFile(t, password), a.url)
	t.Run("logfmt", func(t *testing.T) {
		t.Parallel()
		x := serve(t, configuration)
		x.await(t, want{"session_up": 1})
		lines := x.logLines(t)
		for _, line := range lines {
			for _, key := range []string{"ts", "caller", "level", "msg"} {
				if line[key] == "" {
					t.Errorf("no %s in %v", key, line)
				}
			}
		}
		if got := x.stdout.String(); got != "" {
			t.Errorf("stdout has %q", got)
		}
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		p := launch(t, binary, "--config.file="+configFile(t, configuration), "--web.listen-address=127.0.0.1:0", "--log.format=json", "--log.level=debug")
		eventually(t, func() error {
			text := p.stderr.String()
			for line := range strings.Lines(text[:strings.LastIndex(text, "\n")+1]) {
				var fields map[string]any
				if err := json.Unmarshal([]byte(line), &fields); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				if fields["msg"] == "probed" && fields["state"] == "valid" && fields["ts"] != "" && fields["level"] == "info" {
					return nil
				}
			}
			return fmt.Errorf("no probe is logged:\n%s", text)
		})
		if got := p.stdout.String(); got != "" {
			t.Errorf("stdout has %q", got)
		}
	})
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	a := newHCX(t, withAccount(password))
	var endpoints strings.Builder
	for i := range 50 { // enough for some to be due immediately
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: %s, module: hcx, credential: account}\n", i, a.url)
	}
	got := run(t, "--web.listen-address="+listener.Addr().String(), "--config.file="+configFile(t, fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, caFile, user, secretFile(t, password), &endpoints)))
	last := got.stderr[strings.LastIndex(strings.TrimSpace(got.stderr), "\n")+1:]
	if got.code != 1 || !strings.HasPrefix(last, "session_exporter: serving: ") || !strings.Contains(last, "address already in use") {
		t.Errorf("%+v", got)
	}
	if stats := a.Stats(); stats.Logins != stats.Logouts || stats.Sessions > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}
