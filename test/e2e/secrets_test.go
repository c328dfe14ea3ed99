package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

// tail ends every secret of these tests, and canary begins it, so that a leak of either half is
// found.
const tail = "-kanarie"

// peculiar returns a secret that each encoding changes.
func peculiar(name string) string { return canary + name + `"\/+&=%3D<>` + tail }

// traces returns the texts to search for, by name: what each encoding makes of the two ends of
// a secret. JSON, URLs and Go change neither end; Base64 depends on what precedes it.
func traces() map[string]string {
	all := map[string]string{}
	for _, end := range []string{canary, tail} {
		all["plain"+end] = end
		all["hex"+end] = hex.EncodeToString([]byte(end))
		for before := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + end))
			first, last := (8*before+5)/6, 8*(before+len(end))/6 // the characters that depend on this end alone
			all[fmt.Sprintf("base64 at %d%s", before, end)] = encoded[first:last]
		}
	}
	return all
}

// TestTraces: the search finds a secret in JSON, Go, URL and Base64 encoding.
func TestTraces(t *testing.T) {
	t.Parallel()
	secret := peculiar("x")
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		secret, string(quoted), fmt.Sprintf("%q", secret), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte("monitor:" + secret)),
		base64.StdEncoding.EncodeToString([]byte("u:" + secret)), base64.StdEncoding.EncodeToString([]byte("u:" + url.QueryEscape(secret))),
	} {
		if found(text) == "" {
			t.Errorf("no secret is found in %s", text)
		}
	}
	if trace := found(`nothing secret, password_file "/run/secrets/x" <secret>`); trace != "" {
		t.Errorf("found %s in a text without secrets", trace)
	}
}

// found returns the trace of a secret in a text with its context, or an empty string.
func found(text string) string {
	for name, trace := range traces() {
		if at := strings.Index(text, trace); at >= 0 {
			return fmt.Sprintf("%s: …%.160s", name, text[max(at-100, 0):])
		}
	}
	return ""
}

// noSecret checks that a text has no trace of a secret.
func noSecret(t *testing.T, where, text string) {
	t.Helper()
	if trace := found(text); trace != "" {
		t.Errorf("%s shows a secret, %s", where, trace)
	}
}

// quotedParts return the parts of a request that an appliance may quote, by name.
var quotedParts = map[string]func(r *http.Request, body string) string{
	"authorization": func(r *http.Request, _ string) string { return r.Header.Get("Authorization") },
	"session": func(r *http.Request, _ string) string {
		return r.Header.Get("X-Hm-Authorization") + r.Header.Get("X-Dr-Session")
	},
	"headers": func(r *http.Request, _ string) string {
		return r.Header.Get("X-Api-Key") + " " + r.Header.Get("X-File-Key")
	},
	"body": func(_ *http.Request, body string) string { return body },
	"decoded": func(r *http.Request, _ string) string {
		name, password, _ := r.BasicAuth()
		return name + ":" + password
	},
	"form": func(_ *http.Request, body string) string {
		values, err := url.ParseQuery(body)
		if err != nil {
			return ""
		}
		return values.Get("client_secret")
	},
}

// failureModes are the ways in which leakyAppliance fails, by name: its responses to a request,
// given the text to quote.
var failureModes = map[string]func(w http.ResponseWriter, r *http.Request, quote string){
	"500": func(w http.ResponseWriter, _ *http.Request, quote string) { respondQuoting(w, 500, quote) },
	"403": func(w http.ResponseWriter, _ *http.Request, quote string) { respondQuoting(w, 403, quote) },
	"401": func(w http.ResponseWriter, _ *http.Request, quote string) { respondQuoting(w, 401, quote) },
	"200": func(w http.ResponseWriter, _ *http.Request, quote string) { respondQuoting(w, 200, quote) },
	"escape": func(w http.ResponseWriter, _ *http.Request, quote string) {
		respondQuoting(w, 500, url.QueryEscape(quote))
	},
	"html": func(w http.ResponseWriter, _ *http.Request, quote string) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<html>%s</html>", quote)
	},
	"redirect": func(w http.ResponseWriter, _ *http.Request, quote string) {
		w.Header().Set("Location", "https://sso.example.com/?from="+url.QueryEscape(quote))
		w.WriteHeader(http.StatusFound)
	},
	"identity": func(w http.ResponseWriter, _ *http.Request, quote string) {
		text := jsonText(quote)
		fmt.Fprintf(w, `{"success":true,"completed":true,"version":%[1]s,"username":%[1]s,"data":{"user":{"username":%[1]s,"enterprise":%[1]s,
			"currentOrganization":%[1]s,"organization":[%[1]s],"roles":[%[1]s],"transactionId":%[1]s}}}`, text)
	},
	"status-line": func(w http.ResponseWriter, _ *http.Request, quote string) { rawReply(w, quote+"\r\n\r\n") },
	"header-line": func(w http.ResponseWriter, _ *http.Request, quote string) {
		rawReply(w, "HTTP/1.1 200 OK\r\n"+quote+" \x1b\r\n\r\n")
	},
	"length": func(w http.ResponseWriter, _ *http.Request, quote string) {
		rawReply(w, "HTTP/1.1 200 OK\r\nContent-Length: "+quote+"\r\n\r\n")
	},
	"hang": func(_ http.ResponseWriter, r *http.Request, _ string) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	},
}

// respondQuoting responds with an error in the formats of all APIs in one body.
func respondQuoting(w http.ResponseWriter, status int, quote string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"success":false,"completed":false,"time":1,"errorCode":%[1]s,"error":%[1]s,"error_code":%[1]s,"message":%[1]s,"op_id":%[1]s,"error_description":%[1]s}`, jsonText(quote))
}

func jsonText(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return string(encoded)
}

// rawReply writes a response, which need not be valid HTTP, and closes the connection.
func rawReply(w http.ResponseWriter, response string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, response) // the client may have disconnected
	_ = conn.Close()
}

// leakyAppliance is an appliance and a token endpoint. Its base path, /WHERE_MODE_PART, names
// the step that fails, login or check, the failure mode, and the part of the request to quote.
// If checks fail, logins and token requests succeed.
func leakyAppliance(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	where, rest, _ := strings.Cut(strings.Split(r.URL.Path, "/")[1], "_")
	mode, part, _ := strings.Cut(rest, "_")
	switch isLogin := r.Method == http.MethodPost; {
	case isLogin && strings.HasSuffix(r.URL.Path, "/token") && where == "check":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %s, "token_type": "Bearer", "expires_in": 3600}`, jsonText(peculiar("access-token")))
	case isLogin && where == "check":
		w.Header().Set("X-Hm-Authorization", peculiar("session"))
		fmt.Fprintf(w, `{"success": true, "completed": true, "time": 1, "data": {"user": {"username": "monitor"}}, "session_id": %s}`, jsonText(peculiar("session")))
	default:
		failureModes[mode](w, r, quotedParts[part](r, string(body)))
	}
}

// forwardProxy starts a proxy that quotes its clients' credentials and fails: the first label
// of the requested host selects how. It returns the proxy's address.
func forwardProxy(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(maxWait))
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				authorization := request.Header.Get("Proxy-Authorization")
				_, encoded, _ := strings.Cut(authorization, " ")
				decoded, _ := base64.StdEncoding.DecodeString(encoded)
				response := map[string]string{
					"status":  "HTTP/1.1 407 " + authorization + "\r\n\r\n",
					"decoded": "HTTP/1.1 407 " + string(decoded) + "\r\n\r\n",
					"key":     "HTTP/1.1 502 " + request.Header.Get("X-Proxy-Key") + "\r\n\r\n",
					"garbage": string(decoded) + authorization + "\r\n\r\n",
					"plain":   "HTTP/1.1 200 OK\r\n\r\n" + authorization,
				}[strings.Split(request.Host, ".")[0]]
				_, _ = io.WriteString(conn, response)
			}()
		}
	}()
	return listener.Addr().String()
}

// leakyConfiguration returns a configuration with an endpoint for each failure mode of each
// kind of secret, and the number of endpoints.
func leakyConfiguration(t *testing.T) (configuration string, endpoints int) {
	t.Helper()
	server, err := ca.Serve(http.HandlerFunc(leakyAppliance), "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	stranger, err := simulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	untrusted, err := stranger.Serve(http.HandlerFunc(leakyAppliance), "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(untrusted.Close)
	proxy := forwardProxy(t)
	userinfo := url.UserPassword("monitor", peculiar("proxy")).String()

	passwordFile, tokenFile := secretFile(t, peculiar("password-file")), secretFile(t, peculiar("token-file"))
	kinds := []struct{ name, module, where, quotedParts, credential string }{
		{"hcx-login", "hcx", "login", "body headers", fmt.Sprintf(`{username: monitor, password_file: %q}`, passwordFile)},
		{"hcx-held", "hcx", "check", "session", `{username: monitor, password_env: E2E_PASSWORD}`},
		{"hcx-basic", "hcx-basic", "login", "authorization decoded", fmt.Sprintf(`{username: monitor, password: %q}`, peculiar("password"))},
		{"hcx-token", "hcx", "login", "session", fmt.Sprintf(`{token_file: %q}`, tokenFile)},
		{"hcx-bearer", "hcx-bearer", "login", "authorization", fmt.Sprintf(`{token: %q}`, peculiar("token"))},
		{"oauth-login", "hcx-bearer", "login", "authorization decoded body form", ""},
		{"oauth-check", "hcx-bearer", "check", "authorization", ""},
		{"dr-login", "dr", "login", "authorization decoded", fmt.Sprintf(`{username: monitor, password: %q}`, peculiar("password"))},
		{"dr-held", "dr", "check", "session", fmt.Sprintf(`{username: monitor, password_file: %q}`, passwordFile)},
		{"dr-token", "dr", "login", "session headers", `{token_env: E2E_TOKEN}`},
	}
	var c, e strings.Builder
	// add adds an endpoint and its credential.
	add := func(name, module, credential, url string) {
		endpoints++
		fmt.Fprintf(&c, "  %s: %s\n", name, credential)
		fmt.Fprintf(&e, "  - {name: %s, url: %q, module: %s, credential: %s}\n", name, url, module, name)
	}
	for _, kind := range kinds {
		for mode := range failureModes {
			for part := range strings.FieldsSeq(kind.quotedParts) {
				path := fmt.Sprintf("/%s_%s_%s", kind.where, mode, part)
				credential := kind.credential
				if credential == "" {
					style := "header"
					if part == "body" || part == "form" {
						style = "params"
					}
					credential = fmt.Sprintf(`{oauth2: {client_id: exporter, client_secret: %q, auth_style: %s, endpoint_params: {password: %q}, token_url: %q, tls_config: {ca_file: %q}}}`,
						peculiar("client"), style, peculiar("param"), server.URL()+path+"/token", caFile)
				}
				add(fmt.Sprintf("%s-%s-%s", kind.name, mode, part), kind.module, credential, server.URL()+path)
			}
		}
		credential := kind.credential
		if credential == "" {
			credential = fmt.Sprintf(`{oauth2: {client_id: exporter, client_secret: %q, token_url: %q, proxy_url: "http://%s@%s"}}`,
				peculiar("client"), "https://status.example.com/token", userinfo, proxy)
		}
		add(kind.name+"-untrusted", kind.module, credential, untrusted.URL())
	}
	for _, host := range []string{"status", "decoded", "key", "garbage", "plain"} {
		add("proxy-"+host, "proxy", kinds[0].credential, fmt.Sprintf("https://%s.example.com", host))
	}
	add("proxy-off", "proxy-off", kinds[0].credential, "https://off.example.com")

	headers := fmt.Sprintf(`http_headers: {X-Api-Key: {secrets: [%q]}, X-File-Key: {files: [%q]}}`, peculiar("api-key"), secretFile(t, peculiar("file-key")))
	tls := fmt.Sprintf(`tls_config: {ca_file: %q}`, caFile)
	return fmt.Sprintf(`
global: {interval: 5s, timeout: 4s}
modules:
  hcx: {api: hcx, %[1]s, %[2]s}
  hcx-basic: {api: hcx, auth: basic, %[1]s, %[2]s}
  hcx-bearer: {api: hcx, auth: bearer, %[1]s, %[2]s}
  dr: {api: dr, %[1]s, %[2]s}
  proxy: {api: hcx, %[1]s, proxy_url: "http://%[3]s@%[4]s", proxy_connect_header: {X-Proxy-Key: [%[5]q]}}
  proxy-off: {api: hcx, %[1]s, proxy_url: "http://%[3]s@%[6]s"}
credentials:
%[7]sendpoints:
%[8]s`, tls, headers, userinfo, proxy, peculiar("proxy-key"), blackHole(t), &c, &e), endpoints
}

// environment returns the arguments with which env(1) runs the program, with the secrets that
// are in environment variables.
func environment(args ...string) []string {
	return append([]string{"E2E_PASSWORD=" + peculiar("password-env"), "E2E_TOKEN=" + peculiar("token-env"), binary}, args...)
}

// TestNoSecretAnywhere searches the program's output, log and pages for secrets, while probes
// with every kind of secret fail in every mode.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	configuration, n := leakyConfiguration(t)
	for _, format := range []string{"logfmt", "json"} {
		t.Run(format, func(t *testing.T) {
			file := configFile(t, configuration)
			p := launch(t, "env", environment("--config.file="+file, "--web.listen-address=127.0.0.1:0", "--log.level=debug", "--log.format="+format)...)
			x := &exporter{p, "http://" + listeningAt(t, p)}
			x.until(t, func(m metrics) error {
				probed := 0
				for _, series := range m.series("session_probes_total") {
					if series.GetCounter().GetValue() >= 1 {
						probed++
					}
				}
				if probed < n {
					return fmt.Errorf("%d of %d endpoints were probed", probed, n)
				}
				return nil
			})
			m := x.scrape(t)
			for _, state := range []string{
				"session_expired", "login_suspended", "server_error", "invalid_response", "unreachable", "tls_failed", "timeout", "forbidden",
			} {
				if m.sum(fmt.Sprintf("session_state{state=%q}", state)) == 0 {
					t.Errorf("no endpoint is %s: the test is ineffective", state)
				}
			}
			if !strings.Contains(x.stderr.String(), "<secret>") {
				t.Error("nothing was masked: the test is ineffective")
			}
			reloadBrokenFiles(t, x, file, configuration)
			if status, _ := x.post(t, "/-/resume?credential=hcx-login-401-body"); status != http.StatusOK {
				t.Errorf("resume: status %d", status)
			}
			x.awaitProbes(t, "hcx-login-401-body", 1)
			searchEverywhere(t, x)
			if code := x.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			noSecret(t, "stdout", x.stdout.String())
			noSecret(t, "stderr", x.stderr.String())
		})
	}
	for _, output := range []string{"text", "json", "metrics"} {
		t.Run("probe -o "+output, func(t *testing.T) {
			p := launch(t, "env", environment("probe", "--config.file="+configFile(t, configuration), "--all", "-o", output)...)
			if code := p.wait(t); code != 1 || len(p.stdout.String()) < 100*n {
				t.Errorf("exit code %d, %d bytes: %.500s", code, len(p.stdout.String()), &p.stderr)
			}
			noSecret(t, "stdout", p.stdout.String())
			noSecret(t, "stderr", p.stderr.String())
		})
	}
}

// listeningAt is like process.address, but for both log formats.
func listeningAt(t *testing.T, p *process) string {
	t.Helper()
	var address string
	eventually(t, func() error {
		for line := range strings.Lines(p.stderr.String()) {
			if _, rest, ok := strings.Cut(line, "127.0.0.1:"); ok && strings.Contains(line, "Listening on") {
				address = "127.0.0.1:" + strings.TrimRight(strings.SplitN(rest, `"`, 2)[0], "\n")
				return nil
			}
		}
		if p.hasEnded() {
			t.Fatalf("the exporter exited: %s", &p.stderr)
		}
		return fmt.Errorf("the exporter does not listen yet: %s", &p.stderr)
	})
	return address
}

// searchEverywhere searches the pages about the exporter, its endpoints and its configuration
// for secrets, in every format of the metrics.
func searchEverywhere(t *testing.T, x *exporter) {
	t.Helper()
	for _, path := range []string{"/", "/metrics", "/-/healthy", "/-/ready", "/config", "/sd", "/api/v1/endpoints", "/endpoints/hcx-login-500-body", "/probe?endpoint=hcx-login-500-body", "/probe?module=hcx&target=https://m:" + canary + "x@attacker.example"} {
		for _, accept := range []string{
			"", "application/openmetrics-text;version=1.0.0",
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
		} {
			request := httptest.NewRequest(http.MethodGet, x.url+path, http.NoBody)
			request.RequestURI = ""
			request.Header.Set("Accept", accept)
			_, text := x.send(t, request)
			noSecret(t, path+" as "+accept, text)
		}
	}
}

// misplacedSecrets returns invalid configurations with a secret in the wrong place.
func misplacedSecrets() []string {
	secret := peculiar("misplaced")
	quoted := fmt.Sprintf("%q", secret)
	return []string{
		secret, quoted, "- " + quoted, "global: " + quoted, "global: {interval: " + quoted + "}", "global: {" + quoted + ": 1}", "global: {metrics_deny: [" + quoted + ", '" + canary + "(']}",
		"credentials: {a: " + quoted + "}", "credentials: {a: {pasword: " + quoted + "}}", "credentials: {a: {username: m, password: [" + quoted + "]}}",
		"credentials: {a: {username: m, password: {" + quoted + ": x}}}", "credentials: {a: {password: " + quoted + ", token: " + quoted + "}}",
		"credentials: {a: {username: m, password_file: " + quoted + "}}", "credentials: {a: {token_file: '/" + canary + "token'}}", "credentials: {a: {token_env: " + quoted + "}}",
		"credentials: {a: {username: m, password: " + quoted + ", lockout_guard: " + quoted + ", expires: " + quoted + ", max_age: " + quoted + ", origins: [" + quoted + "]}}",
		"credentials: {a: {oauth2: " + quoted + "}}", "credentials: {a: {oauth2: {client_id: a, client_secret: " + quoted + ", token_url: 'https://m:" + canary + "@sso.example.com'}}}",
		"credentials: {a: {oauth2: {client_id: a, client_secret: [" + quoted + "], client_secret_file: " + quoted + "}}}",
		"modules: {m: {api: " + quoted + "}}", "modules: {m: {api: hcx, credential: " + quoted + ", auth: " + quoted + "}}",
		"modules: {m: {api: hcx, proxy_url: 'http://m:" + canary + "x@p:x'}}", "modules: {m: {api: hcx, proxy_url: 'ftp://m:" + canary + "x@p'}}",
		"modules: {m: {api: hcx, http_headers: {Authorization: {secrets: [" + quoted + "]}, X-A: " + quoted + "}}}",
		"modules: {m: {api: hcx, http_headers: {X-A: {files: [" + quoted + "], secrets: [\"" + canary + "\\n\"]}}}}",
		"modules: {m: {api: hcx, tls_config: {key: " + quoted + ", cert: " + quoted + ", ca_file: " + quoted + "}}}",
		"endpoints: [{name: " + quoted + ", url: 'https://m:" + canary + "x@h', module: " + quoted + ", labels: {le: " + quoted + "}}]",
		"endpoints: [{name: a, url: 'https://h/?token=" + canary + "x', module: m}, {name: b, url: 'https://m:" + canary + "x@h:y'}]",
		"credentials:\n  a:\n    password: " + canary + "x: y\n", "credentials:\n  a:\n    password: *" + canary + "x\n", "credentials:\n  a:\n    password: \"" + canary + "\n",
		"credentials:\n  a:\n    password: !" + canary + "x y\n", "credentials:\n  a:\n    password " + canary + "x\n    username: m\n",
	}
}

// reloadBrokenFiles reloads each of the configurations of misplacedSecrets, and a good one at
// the end.
func reloadBrokenFiles(t *testing.T, x *exporter, file, good string) {
	t.Helper()
	for _, broken := range misplacedSecrets() {
		write(t, file, broken)
		status, text := x.post(t, "/-/reload")
		if status != http.StatusInternalServerError {
			t.Errorf("status %d for %s", status, broken)
		}
		noSecret(t, "/-/reload", text)
	}
	write(t, file, good)
	if status, text := x.post(t, "/-/reload"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, text)
	}
}

// TestNoSecretFromCheckConfig: no command shows the secrets in the invalid parts of a file.
func TestNoSecretFromCheckConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, broken := range misplacedSecrets() {
		file := write(t, filepath.Join(dir, fmt.Sprintf("%d.yml", i)), broken)
		commands := [][]string{{"check-config", file}}
		if i%8 == 0 {
			commands = append(commands, []string{"probe", "--config.file=" + file, "--all"}, []string{"--config.file=" + file, "--web.listen-address=127.0.0.1:0", "--log.format=json"})
		}
		for _, command := range commands {
			got := run(t, command...)
			if got.code == 0 {
				t.Errorf("%v accepts %s", command, broken)
			}
			noSecret(t, fmt.Sprint(command), got.stdout+got.stderr)
		}
	}
}
