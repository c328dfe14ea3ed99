package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/simulator"
)

// newAppliance returns a simulated HCX over TLS, the flags that probe it, and the path of
// its secret.
func newAppliance(t *testing.T, faults ...simulator.Fault) (appliance *simulator.Appliance, flags []string, file string) {
	t.Helper()
	ca, err := simulator.NewCA()
	must(t, err)
	appliance = simulator.NewHCX(simulator.Settings{Accounts: map[string]simulator.Account{"monitor": {Password: "right"}}, Faults: faults})
	server, err := ca.Serve(appliance, "127.0.0.1:0", simulator.ServerOptions{})
	must(t, err)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	file = filepath.Join(dir, "secret")
	must(t, os.WriteFile(file, []byte("right\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(ca.PEM()), 0o600))
	return appliance, []string{"probe", server.URL(), "--api=hcx", "--username=monitor", "--password-file=" + file, "--ca-file=" + filepath.Join(dir, "ca.pem")}, file
}

// runWith runs a command whose standard input is not a terminal.
func runWith(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr string) { //nolint:revive // t is first
	t.Helper()
	in, err := os.Open(os.DevNull)
	must(t, err)
	defer func() { _ = in.Close() }()
	var out, errOut bytes.Buffer
	code = run(ctx, args, streams{out: &out, err: &errOut, in: in})
	return code, out.String(), errOut.String()
}

// One command probes a URL without a configuration, and prints one that can be used.
func TestProbeURL(t *testing.T) {
	appliance, flags, _ := newAppliance(t)
	code, stdout, stderr := runWith(t, t.Context(), flags...)
	if code != exitOK || stderr != "" || !strings.Contains(stdout, ": valid\n  Logged in as \"monitor\".\n") {
		t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
	_, text, _ := strings.Cut(stdout, "\n\ncredentials:")
	if settings, err := config.Parse([]byte("credentials:"+text), "session_exporter.yml"); err != nil || len(settings.Problems) > 0 || len(settings.Endpoints) != 1 || strings.Count(text, "\n") > 14 {
		t.Errorf("the printed configuration has an error (%v), a problem, or not one endpoint:\n%s", err, text)
	}
	for output, want := range map[string]string{"json": `"state": "valid"`, "metrics": "session_up{"} {
		if code, stdout, stderr := runWith(t, t.Context(), append(flags, "-o", output)...); code != exitOK || stderr != "" || !strings.Contains(stdout, want) || strings.Contains(stdout, "credentials:") {
			t.Errorf("-o %s: exit code %d, stderr %q, stdout:\n%s", output, code, stderr, stdout)
		}
	}
	if stats := appliance.Stats(); stats.Logins != 3 || stats.Logouts != 3 {
		t.Errorf("%+v", stats)
	}
}

// A wrong password is explained, with the login option that may be missing.
func TestProbeURLWithWrongPassword(t *testing.T) {
	appliance, flags, file := newAppliance(t)
	must(t, os.WriteFile(file, []byte("wrong"), 0o600))
	code, stdout, stderr := runWith(t, t.Context(), flags...)
	if code != exitFailed || stderr != "" || strings.Contains(stdout, "credentials:") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{": credentials_rejected\n", `Wrong password for "monitor" (file "` + file + `")`, "The account may need --login auth_type=local|vsphere."} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	_, stdout, _ = runWith(t, t.Context(), append(flags, "--login=auth_type=local")...)
	if strings.Contains(stdout, "may need") || appliance.Stats().Logins != 0 {
		t.Errorf("%+v, and with --login:\n%s", appliance.Stats(), stdout)
	}
	_, stdout, _ = runWith(t, t.Context(), flags[:5]...)
	if !strings.Contains(stdout, ": tls_failed\n") || !strings.Contains(stdout, "to `--ca-file`") {
		t.Errorf("without the CA:\n%s", stdout)
	}
}

// Each mistake is reported with its flag, and before a password is asked for.
func TestProbeURLMistakes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"secret": "right", "empty": "\n"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	const url, file = "https://hcx.example.com:9443", "--password-file=secret"
	for _, c := range []struct {
		args string
		want string // the beginning of an error, or of one of its lines
	}{
		{url, "a URL requires --api, for this URL probably --api=hcx; it must be one of: "},
		{"https://srm.example.com/api/rest/vr/v2", "a URL requires --api, for this URL probably --api=dr"},
		{"https://x.example.com", "a URL requires --api; it must be one of: "},
		{url + " --api=hxc", "--api: unknown API, did you mean `hcx`?"},
		{url + " --api=hcx", "a URL requires --username, with --password-file or "},
		{url + " --api=hcx --username=u", "--username: cannot ask for the password, because standard input is not a terminal; use --password-file"},
		{url + " --api=hcx --username=u --timeout=3x", "--timeout: must be a duration such as 30s"},
		{url + " --api=hcx --password-file=secret", "--password-file requires --username"},
		{url + " --api=hcx --username=u --password-file=none", "--password-file: cannot read this file: no such file or directory\n"},
		{url + " --api=hcx --username=u --password-file=empty", "--password-file: cannot read this file: it is empty"},
		{url + " --api=hcx --username=u --token-file=secret " + file, "--token-file: conflicts with `--password-file`; keep one of them"},
		{url + " --api=hcx --username=u --token-file=secret", "--username: requires a password; a token is sent without a username"},
		{url + " --api=hcx --username=u --auth=token " + file, `--auth: credential "account" has a password, which supports only auth: login, basic`},
		{url + " --api=hcx --username=u --auth=x " + file, "--auth: must be one of: login, basic, token, bearer"},
		{url + " --api=github --username=u " + file, `--password-file: credential "account" has a password, so auth is login, which api github does not support`},
		{url + " --api=hcx --username=u --ca-file=secret " + file, "--ca-file: ca or ca_file contains no certificate in PEM format"},
		{url + " --api=hcx --username=u --ca-file=none " + file, "--ca-file: cannot read this file: no such file or directory\n"},
		{url + " --api=hcx --username=u --cert-file=secret " + file, "--cert-file: exactly one of key or key_file"},
		{url + " --api=hcx --username=u --key-file=none " + file, "--key-file: cannot read this file: "},
		{url + " --api=hcx --username=u --proxy-url=x " + file, "--proxy-url: must be a URL such as http://proxy.example.com:3128"},
		{url + " --api=hcx --username=u --login=auth_type=x " + file, "--login=auth_type: must be one of: local, vsphere"},
		{url + " --api=hcx --username=u --login=x " + file, "--login must be <option>=<value>, such as auth_type=vsphere"},
		{url + " --api=hcx --username=u --timeout=2m " + file, "--timeout: must not exceed the interval, which is 1m"},
		{"https://u:S3cr3t@hcx.example.com --api=hcx --username=u " + file, "URL: must not have a user or password in it; use `--username` and `--password-file`"},
		{"ftp://hcx.example.com --api=hcx --username=u " + file, "URL: must be a URL such as https://"},
		{url + " https://b.example.com?x --api=hcx --username=u " + file, "URL: must end with the API's base path"},
		{url + " " + url + "/ --api=hcx --username=u " + file, "two URLs have the same host and path; remove one"},
		{url + " a --api=hcx", `"a" is a name, but others are URLs; probe them separately`},
		{url + " --all", "a URL and --all are mutually exclusive"},
		{url + " --config.file=session_exporter.yml", "a URL and --config.file are mutually exclusive; "},
		{"a --ca-file=ca.pem", `--ca-file applies only to a URL; "a" is a name, so write https:// before it, or remove the flag`},
		{"--insecure-skip-verify", "--insecure-skip-verify requires a URL, such as https://"},
		{"--login=a=b", "--login requires a URL, such as https://"},
		{"a", "session_exporter.yml: no such file; name another one with --config.file; to probe without a file, name a URL: "},
		{"a --interval=1m", "--interval requires --watch"},
		{"a --watch -o metrics", "--watch does not support --output=metrics; "},
		{url + " --watch --interval=1ms --api=hcx --username=u " + file, "--interval: must be at least 100ms"},
		{url + " --watch --interval=x --api=hcx --username=u " + file, "--interval: not a valid duration string"},
		{"a -o xml", `--output is "xml"; it must be one of: text, json, metrics; try --help`},
	} {
		code, stdout, stderr := runWith(t, t.Context(), append([]string{"probe"}, strings.Fields(c.args)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains("\n"+stderr, "\nsession_exporter: "+c.want) || strings.Contains(stderr, "S3cr3t") {
			t.Errorf("%s: exit code %d, stdout %q, stderr:\n%swant %s", c.args, code, stdout, stderr, c.want)
		}
	}
}

// Warnings are printed before the login is sent, and name the flags.
func TestProbeURLWarnings(t *testing.T) {
	_, flags, file := newAppliance(t)
	stderr := &lines{next: func(string) {}}
	seen := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen <- stderr.String() }))
	defer server.Close()
	args := append([]string{"probe", server.URL + "/ui", "--insecure-skip-verify", "--password-file=" + file}, flags[2], "--username=monitor ")
	if code := Run(t.Context(), args, new(bytes.Buffer), stderr); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	const want = "session_exporter: warning: --username: starts or ends with a space or an invisible character; remove it\n" +
		"session_exporter: warning: --insecure-skip-verify: certificates are not verified, so anyone on the network path can read the secrets; use `--ca-file`\n" +
		"session_exporter: warning: URL: secrets are sent without encryption; use https\n" +
		"session_exporter: warning: URL: has a path, but the API hcx is at the root; remove the path\n"
	if before := <-seen; before != want || stderr.String() != want {
		t.Errorf("before the login:\n%sat the end:\n%s", before, stderr)
	}
}

// An API of the catalogue needs no definition, and its token is sent as the catalogue says.
func TestProbeURLOfCatalogue(t *testing.T) {
	_, _, file := newAppliance(t)
	sent := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"login": "octocat"}`))
	}))
	defer server.Close()
	code, stdout, _ := runWith(t, t.Context(), "probe", server.URL, "--api=github", "--token-file="+file)
	got := <-sent
	if code != exitOK || got != "GET /user Bearer right" || !strings.Contains(stdout, `Logged in as "octocat".`) || !strings.Contains(stdout, "session_exporter init --api=github") {
		t.Errorf("exit code %d, sent %q, stdout:\n%s", code, got, stdout)
	}
}

// Two products on one host are two endpoints; a URL that is given twice is one.
func TestProbeSeveralURLs(t *testing.T) {
	f := &adhocFlags{api: "dr", tokenFile: "secret"}
	a := &adhoc{flags: f}
	must(t, a.compose([]string{"https://srm.example.com/api/rest/srm/v2", "https://srm.example.com/api/rest/vr/v2/", "https://srm.example.com/api/rest/srm/v2"}))
	var names []string
	for _, endpoint := range a.document.Endpoints {
		names = append(names, endpoint.Name)
	}
	if got := strings.Join(names, " "); got != "srm.example.com/api/rest/srm/v2 srm.example.com/api/rest/vr/v2" {
		t.Error(got)
	}
}

// An API whose appliances lock an account after very few refusals gets the guard of its
// definition.
func TestProbeURLHasTheGuardOfItsAPI(t *testing.T) {
	a := &adhoc{flags: &adhocFlags{api: "nsx", username: "monitor", passwordFile: "secret"}}
	must(t, a.compose([]string{"https://nsx.example.com"}))
	if got := a.document.Credentials[adhocCredential].LockoutGuard["max_refusals"]; got != "1" {
		t.Errorf("max_refusals is %q", got)
	}
}

// The configuration that is printed after a success has neither the typed password nor the
// secrets in flags.
func TestHintHidesSecrets(t *testing.T) {
	f := &adhocFlags{api: "hcx", username: "monitor", proxyURL: "http://user:canary-1@proxy.example.com:3128", login: map[string]string{"tenant": "canary-2", "auth_type": "vsphere"}}
	a := &adhoc{flags: f, prompted: true}
	must(t, a.compose([]string{"https://hcx.example.com:9443"}))
	var out bytes.Buffer
	must(t, a.hint(&out))
	for _, want := range []string{"the password into the file `password`", "    password_file: password\n", "auth_type: vsphere", "tenant: <secret>", "proxy_url: http://user:xxxxx@proxy.example.com:3128\n"} {
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "canary") {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
}
