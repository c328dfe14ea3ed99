package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const suspicious = `global: {metrics_deny: [nothing_at_all]}
credentials:
  a: {username: monitor, password: '${PW}'}
  b: {username: monitor, password_file: gone}
modules: {m: {api: hcx, credential: a}}
endpoints:
  - {name: x, url: "http://x.example.com:9443", module: m}
  - {name: y, url: "https://y.example.com:9443", module: m, credential: b}
`

func TestCheckConfigProblems(t *testing.T) {
	file := writeConfig(t, suspicious)
	const (
		deny     = ":1: warning: global.metrics_deny[0]: matches no metric; a histogram has one name, without _bucket, _sum and _count\n"
		variable = ":3: warning: credentials.a.password: contains ${…}, and variables are not expanded here; write the value, or use `password_env` or `token_env` for a secret\n"
		missing  = ":4: credentials.b.password_file: cannot read this file: no such file or directory; relative paths are resolved from the directory of the configuration file\n"
		plain    = ":7: warning: endpoints[0].url: secrets are sent without encryption; use https\n"
	)
	check := func(code int, stdout string, want []string, args ...string) {
		t.Helper()
		var out, stderr bytes.Buffer
		wantErr := strings.Join(want, file)
		if got := Run(t.Context(), append([]string{"check-config"}, args...), &out, &stderr); got != code || stderr.String() != wantErr || out.String() != stdout {
			t.Errorf("%v exits with %d and prints\n%s%s\nwant %d and\n%s%s", args, got, out.String(), stderr.String(), code, stdout, wantErr)
		}
	}
	valid := file + " is valid: 2 endpoints, 2 credentials.\n"
	check(exitFailed, "", []string{"", deny, variable, missing, plain}, file)
	check(exitFailed, "", []string{"", deny, variable, missing, plain}, "--strict", file)
	must(t, os.WriteFile(filepath.Join(filepath.Dir(file), "gone"), []byte("back"), 0o600))
	check(exitOK, valid, []string{"", deny, variable, plain}, file)
	check(exitFailed, "", []string{"", deny, variable, plain + "session_exporter: ", ": 3 warnings treated as errors (--strict)\n"}, "--strict", file)
	must(t, os.WriteFile(file, []byte(suspicious+"  - {name: z}\n"), 0o600))
	check(exitFailed, "", []string{"", variable, plain, ":9: endpoints[2]: needs a `url`\n", ":9: endpoints[2]: needs a `module`\n"}, file)
}

// The default is the file in the working directory, and - is standard input.
func TestCheckConfigWithoutFile(t *testing.T) {
	t.Chdir(filepath.Dir(writeConfig(t, suspicious)))
	must(t, os.WriteFile("gone", []byte("back"), 0o600))
	for _, c := range []struct {
		args       []string
		name, text string
		code       int
	}{
		{nil, "session_exporter.yml", "", exitOK},
		{[]string{"none.yml"}, "none.yml: no such file; name another one, or - for standard input\n", "", exitFailed},
		{[]string{"-"}, "standard input", suspicious, exitOK},
		{[]string{"-"}, "standard input", suspicious + "  - {name: z}\n", exitFailed},
		{[]string{"-"}, "standard input", "", exitFailed},
		{[]string{"-"}, "standard input", strings.Repeat("#", 16<<20) + "\n", exitFailed},
	} {
		input := filepath.Join(t.TempDir(), "input")
		must(t, os.WriteFile(input, []byte(c.text), 0o600))
		in, err := os.Open(input)
		must(t, err)
		var out, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"check-config"}, c.args...), streams{out: &out, err: &stderr, in: in})
		must(t, in.Close())
		if code != c.code || !strings.HasPrefix(stderr.String(), c.name) || strings.HasPrefix(out.String(), c.name+" is valid: 2 endpoints") != (code == exitOK) {
			t.Errorf("%v: exit code %d, stdout %q, stderr:\n%s", c.args, code, &out, &stderr)
		}
	}
}

// Several files and standard input are one configuration, and an error names its file.
func TestCheckConfigFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.WriteFile("base.yml", []byte("modules: {m: {api: hcx, credential: c}}\n"), 0o600))
	must(t, os.WriteFile("a.yml", []byte("endpoints: [{name: x, url: 'https://x.example.com:9443', module: m}]\n"), 0o600))
	const secrets = "credentials: {c: {token: t}}\n"
	for _, c := range []struct {
		args   []string
		input  string
		code   int
		output string
	}{
		{[]string{"*.yml", "-"}, secrets, exitOK, "*.yml, standard input is valid: 3 files, 1 endpoint, 1 credential.\n"},
		{[]string{"-", "a.yml", "base.yml"}, secrets, exitOK, "a.yml, base.yml, standard input is valid: 3 files, 1 endpoint, 1 credential.\n"},
		{[]string{"*.yml", "-"}, secrets + "endpoints:\n  - {name: x, url: 'https://y.example.com:9443', module: m}\n", exitFailed, "standard input:3: endpoints[0].name: duplicate endpoint name (first used at a.yml:1)\n"},
		{[]string{"base.yml", "-"}, secrets + "modules: {m: {api: hcx, credential: c}}\n", exitFailed, "standard input:2: modules.m: duplicate key (first used at base.yml:1)\n"},
		{[]string{"*.yaml", "-"}, secrets, exitFailed, "*.yaml: no file matches this pattern; name another pattern or file, or - for standard input\n"},
	} {
		must(t, os.WriteFile("input", []byte(c.input), 0o600))
		in, err := os.Open("input")
		must(t, err)
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"check-config"}, c.args...), streams{out: &out, err: &out, in: in})
		must(t, in.Close())
		if code != c.code || out.String() != c.output {
			t.Errorf("%v: exit code %d, output\n%swant %d and\n%s", c.args, code, &out, c.code, c.output)
		}
	}
}

// An interrupt ends the wait for standard input, which may never end.
func TestCheckConfigInterrupted(t *testing.T) {
	in, writer, err := os.Pipe()
	must(t, err)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out bytes.Buffer
	if code := run(ctx, []string{"check-config", "-"}, streams{out: &out, err: &out, in: in}); code != exitFailed || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("exit code %d: %s", code, &out)
	}
	must(t, writer.Close())
}
