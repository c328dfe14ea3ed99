package config_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
)

// teams are three files that are one configuration.
var teams = map[string]string{
	"base.yml": "global: {interval: 30s}\ncredentials:\n  a: {username: u, password_file: secret}\nmodules:\n  m: {api: hcx, credential: a}\n",
	"x.yml":    "endpoints:\n  - {name: x, url: 'https://x.example.com:9443', module: m}\n",
	"y.yml":    "credentials: {b: {token_file: ../secrets/token}}\nendpoints:\n  - {name: y, url: 'https://y.example.com:9443', module: m}\n  - {name: z, url: 'https://z.example.com:9443', module: m, credential: b}\n",
}

// deploy writes files below a directory. The names are paths relative to it.
func deploy(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, file, text)
	}
}

// teamsIn writes the files of teams into the directory conf.d, and their secrets.
func teamsIn(t *testing.T, dir string) {
	t.Helper()
	deploy(t, filepath.Join(dir, "conf.d"), teams)
	deploy(t, dir, map[string]string{"conf.d/secret": "s", "secrets/token": "t"})
}

// TestMerge: the order of files and patterns does not matter, and a file that matches
// several times is read once.
func TestMerge(t *testing.T) {
	t.Chdir(t.TempDir())
	teamsIn(t, ".")
	absolute, err := filepath.Abs("conf.d")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("conf.d", "linked"); err != nil {
		t.Fatal(err)
	}
	var want string
	for _, patterns := range [][]string{
		{"conf.d/base.yml", "conf.d/x.yml", "conf.d/y.yml"},
		{"conf.d/y.yml", "conf.d/x.yml", "conf.d/base.yml"},
		{"conf.d/*.yml"},
		{"conf.d/y.yml", "conf.d/*.yml", "conf.d/base.yml"},
		{"conf.d/*.yml", "./conf.d/*.yml", "conf.d/x.yml"},
		{"conf.d/[bx]*.yml", "conf.d/?.yml"},
		{"conf.*/*.yml"},
		{"*/*.yml"}, // also by the link
		{"conf.d/*.yml", "linked/*.yml", absolute + "/*.yml"},
	} {
		settings, found := config.Check(patterns...)
		if settings == nil || len(found) > 0 {
			t.Errorf("%v: %v", patterns, found)
			continue
		}
		var names []string
		for _, e := range settings.Endpoints {
			names = append(names, e.Name)
		}
		if !slices.Equal(names, []string{"x", "y", "z"}) || len(settings.Files) != 3 || settings.Endpoints[1].Interval.String() != "30s" {
			t.Errorf("%v: endpoints %v of files %v at intervals of %s", patterns, names, settings.Files, settings.Endpoints[1].Interval)
		}
		if want == "" {
			want = settings.YAML
		}
		if settings.YAML != want {
			t.Errorf("%v: got\n%s\nwant\n%s", patterns, settings.YAML, want)
		}
		if b, err := settings.Credentials["b"].Secret.Read(); err != nil || b.Reveal() != "t" {
			t.Errorf("%v: secret of b is %q, error %v", patterns, b.Reveal(), err)
		}
	}
}

// TestMergeConflicts checks that both places are named, in whichever order the files are
// given, and that every problem has its own file, line and key.
func TestMergeConflicts(t *testing.T) {
	const around = "modules: {m: {api: hcx, credential: a}}\ncredentials: {a: {token: t}}\n"
	for _, c := range []struct{ name, a, b, want string }{
		{"global", "global: {interval: 1m}\n" + around, "\nglobal: {timeout: 1s}\n", "b.yml:2: global: only one file may have this, and it is also at a.yml:1; move its keys there"},
		{"empty global", "global:\n" + around, "global: {timeout: 1s}\n", "b.yml:1: global: only one file may have this, and it is also at a.yml:1; move its keys there"},
		{"credential", around, "credentials:\n  a: {token: u}\n", "b.yml:2: credentials.a: duplicate key (first used at a.yml:2)"},
		{"module", around, "modules:\n\n  m: {api: dr, credential: a}\n", "b.yml:3: modules.m: duplicate key (first used at a.yml:1)"},
		{
			"API", around + "apis:\n  own: {session: [{from: header, name: x}], check: {path: /me}, answer: {username: body.user}}\n",
			"apis:\n  own: {session: [{from: header, name: x}], check: {path: /me}, answer: {username: body.user}}\n", "b.yml:2: apis.own: duplicate key (first used at a.yml:4)",
		},
		{
			"endpoint", around + "endpoints:\n  - {name: e, url: 'https://e.example.com:9443', module: m}\n", "endpoints:\n  - {name: f, url: 'https://f.example.com:9443', module: m}\n  - {name: e, url: 'https://g.example.com:9443', module: m}\n",
			"b.yml:3: endpoints[1].name: duplicate endpoint name (first used at a.yml:4)",
		},
		{
			"endpoint in one file", around + "endpoints:\n  - {name: e, url: 'https://e.example.com:9443', module: m}\n", "endpoints:\n  - {name: f, url: 'https://f.example.com:9443', module: m}\n  - {name: f, url: 'https://g.example.com:9443', module: m}\n",
			"b.yml:3: endpoints[1].name: duplicate endpoint name (first used on line 2)",
		},
		{
			"session", around + "endpoints:\n  - {name: e, url: 'https://e.example.com:9443', module: m}\n", "endpoints:\n  - {name: f, url: 'https://e.example.com:9443', module: m}\n",
			"b.yml:2: warning: endpoints[0].url: the endpoint at a.yml:4 has the same URL and account, so the session is monitored twice; remove one",
		},
		{
			"several problems", "modules: {m: {api: hcx, credentail: a}}\nendpoints: [{name: e}]\n", "credentials: {a: {token: t}}\nglobl: {}\nendpoints:\n  - {name: f, url: 'x', module: n}\n",
			"a.yml:1: modules.m.credentail: unknown key, did you mean `credential`?\n" +
				"a.yml:2: endpoints[0]: needs a `url`\na.yml:2: endpoints[0]: needs a `module`\n" +
				"b.yml:2: globl: unknown key, did you mean `global`?\n" +
				"b.yml:4: endpoints[0].module: unknown module, did you mean `m`?\nb.yml:4: endpoints[0].url: must be a URL such as https://hcx.example.com:9443",
		},
		{"YAML", around, "endpoints: [", "b.yml:2: not valid YAML: did not find expected node content"},
		{"YAML of both", around + "x: {", "endpoints: [", "a.yml:4: not valid YAML: did not find expected node content\nb.yml:2: not valid YAML: did not find expected node content"},
		{"empty file", around, " \n", "b.yml: is empty; write at least a comment, or remove the file"},
		{"nothing to probe", "# later\n", "# too\n", "a.yml, b.yml: has no `modules` and no `endpoints`, so there is nothing to probe"},
		{
			"hidden names", "credentials:\n  h5Tz81q-s3cr3t!: {token: t}\nmodules: {m: {api: hcx}}\n", "credentials:\n  h5Tz81q-s3cr3t!: {token: t}\n",
			"b.yml:2: credentials.*: duplicate key (first used at a.yml:2)",
		},
		{
			"a variable", around + "endpoints: [{name: e, url: 'https://e.example.com:9443', module: m}]\n", "endpoints:\n  - {name: f, url: 'https://f.example.com:9443', module: m, labels: {site: '${SITE}'}}\n",
			"b.yml:2: warning: endpoints[0].labels.site: contains ${…}, and variables are not expanded here; write the value, or use `password_env` or `token_env` for a secret",
		},
		{
			"a comment after a secret", "credentials: {a: {token: t}}\n", "modules: {m: {api: hcx, credential: a}, n: {api: hcx, credential: b}}\ncredentials:\n  b:\n    token: tok # word\nendpoints:\n" +
				"  - {name: e, url: 'https://e.example.com:9443', module: m}\n  - {name: f, url: 'https://f.example.com:9443', module: n}\n",
			"b.yml:4: warning: credentials.b.token: a comment follows the secret; if the ` #` is part of it, put the secret in quotes",
		},
		{
			"an expression", around, "apis:\n  own: {session: [{from: header, name: x}], check: {path: /me}, answer: {username: bodi.user}}\n",
			"b.yml:2:84: apis.own.answer.username: undeclared reference, did you mean `body`?",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			deploy(t, ".", map[string]string{"a.yml": c.a, "b.yml": c.b})
			for _, files := range [][]string{{"a.yml", "b.yml"}, {"b.yml", "a.yml"}} {
				settings, found := config.Check(files...)
				warned := strings.Contains(c.want, " warning: ")
				if found.Error() != c.want || (settings != nil) != warned {
					t.Errorf("%v: got\n%s\nwant\n%s", files, found.Error(), c.want)
				}
			}
		})
	}
}

// TestMergeOfText checks that a text joins files, as check-config's standard input does.
func TestMergeOfText(t *testing.T) {
	t.Chdir(t.TempDir())
	teamsIn(t, ".")
	settings, found := config.CheckText([]byte("endpoints: [{name: new, url: 'https://new.example.com:9443', module: m}]"), "standard input", "conf.d/*.yml")
	if settings == nil || len(found) > 0 || len(settings.Endpoints) != 4 || settings.Name != "conf.d/*.yml, standard input" {
		t.Errorf("%+v, %v", settings, found)
	}
	_, found = config.CheckText([]byte("endpoints: [{name: x, url: 'https://new.example.com:9443', module: m}]"), "standard input", "conf.d/*.yml")
	if want := "standard input:1: endpoints[0].name: duplicate endpoint name (first used at conf.d/x.yml:2)"; found.Error() != want {
		t.Errorf("got %v, want %s", found, want)
	}
}

// TestRelativePaths: two files in different directories name the same relative path.
func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	ca, err := os.ReadFile("testdata/tls/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	team := func(name string) string {
		return strings.ReplaceAll("credentials: {NAME: {username: u, password_file: secret}}\nmodules: {NAME: {api: hcx, credential: NAME, tls_config: {ca_file: ca.pem}, http_headers: {X-Key: {files: [secret]}}}}\n"+
			"endpoints: [{name: NAME, url: 'https://NAME.example.com:9443', module: NAME}]\n", "NAME", name)
	}
	for _, name := range []string{"a", "b"} {
		deploy(t, filepath.Join(dir, name), map[string]string{"team.yml": team(name), "secret": name, "ca.pem": string(ca)})
	}
	settings, found := config.Check(filepath.Join(dir, "*", "*.yml"))
	if settings == nil || len(found) > 0 {
		t.Fatal(found)
	}
	for _, e := range settings.Endpoints {
		value, err := e.Credential.Secret.Read()
		if at := filepath.Join(dir, e.Name); err != nil || value.Reveal() != e.Name || e.HTTP.TLS.CAFile != filepath.Join(at, "ca.pem") || e.HTTP.Headers.Headers["X-Key"].Files[0] != filepath.Join(at, "secret") {
			t.Errorf("endpoint %s has the secret %q (%v), the authority %s and the headers %v", e.Name, value.Reveal(), err, e.HTTP.TLS.CAFile, e.HTTP.Headers)
		}
	}
	if got, want := settings.TLSFiles(), []string{filepath.Join(dir, "a", "ca.pem"), filepath.Join(dir, "b", "ca.pem")}; !slices.Equal(got, want) {
		t.Errorf("TLS files %q, want %q", got, want)
	}
	if err := os.Remove(filepath.Join(dir, "b", "ca.pem")); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "b", "team.yml") + ":2: modules.b.tls_config.ca_file: cannot read this file: no such file or directory; relative paths are resolved from the directory of the configuration file"
	if _, found := config.Check(filepath.Join(dir, "*", "*.yml")); found.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", found, want)
	}
}

// TestUnusablePatterns checks errors about patterns, and about what they match.
func TestUnusablePatterns(t *testing.T) {
	t.Chdir(t.TempDir())
	teamsIn(t, ".")
	deploy(t, ".", map[string]string{"conf.d/folder.d/deep.txt": ""})
	if err := os.Symlink("gone.yml", "conf.d/dangling.yaml"); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		"":                     `"": no such file; name another one`,
		"conf.d/*.json":        "conf.d/*.json: no file matches this pattern; name another pattern or file",
		"none/*.yml":           "none/*.yml: no file matches this pattern; name another pattern or file",
		"conf.d/base.yml/*":    "conf.d/base.yml/*: no file matches this pattern; name another pattern or file",
		"conf.d/[a.yml":        "conf.d/[a.yml: the pattern has a `[` without a `]`, or ends in a backslash; put a backslash before a `[` that is part of a name",
		"conf.d/*.d":           "conf.d/folder.d: is a directory",
		"conf.d/folder.d":      "conf.d/folder.d: is a directory; name its files, with a pattern such as conf.d/folder.d/*.yml",
		"conf.d/dang*":         "conf.d/dangling.yaml: no such file; remove the symbolic link, or restore the file that it leads to",
		"conf.d/dangling.yaml": "conf.d/dangling.yaml: no such file; name another one",
	} {
		_, found := config.Check("conf.d/*.yml", pattern)
		if found.Error() != want {
			t.Errorf("%s: got %v, want %s", pattern, found, want)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	deploy(t, ".", map[string]string{"a[1].yml": teams["base.yml"], "secret": "s"})
	if _, found := config.Check(`a\[1].yml`, "conf.d/x.yml"); len(found) > 0 {
		t.Errorf("an escaped bracket: %v", found)
	}
}

// TestSizeOfAllFiles: the limit is that of all files together.
func TestSizeOfAllFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	filler := "#" + strings.Repeat("x", config.MaxSize/2-1)
	deploy(t, ".", map[string]string{"a.yml": filler, "b.yml": filler, "c.yml": "#"})
	if _, found := config.Check("*.yml"); found.Error() != "*.yml: is larger than 16 MiB" {
		t.Errorf("16 MiB and a byte: %v", found)
	}
	if _, found := config.Check("?.yml", "a.yml", "b.yml", "c.yml"); found.Error() != "?.yml, a.yml, b.yml and 1 more: is larger than 16 MiB" {
		t.Errorf("16 MiB and a byte: %v", found)
	}
}

// TestFingerprintOfPatterns checks that a file that appears, changes or disappears is
// noticed.
func TestFingerprintOfPatterns(t *testing.T) {
	t.Chdir(t.TempDir())
	teamsIn(t, ".")
	loader := config.NewLoader("conf.d/*.yml")
	last := loader.Fingerprint()
	for _, c := range []struct {
		name    string
		change  func() error
		noticed bool
	}{
		{"nothing", func() error { return nil }, false},
		{"a file of another kind", func() error { return os.WriteFile("conf.d/a.txt", nil, 0o600) }, false},
		{"a hidden file", func() error { return os.WriteFile("conf.d/.a.yml", nil, 0o600) }, false},
		{"another file", func() error { return os.WriteFile("conf.d/a.yml", []byte("#"), 0o600) }, true},
		{"its content", func() error { return os.WriteFile("conf.d/a.yml", []byte("##"), 0o600) }, true},
		{"its name", func() error { return os.Rename("conf.d/a.yml", "conf.d/b.yml") }, true},
		{"its removal", func() error { return os.Remove("conf.d/b.yml") }, true},
		{"the removal of all", func() error { return os.Rename("conf.d", "away") }, true},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		now := loader.Fingerprint()
		if now == "" || (now != last) != c.noticed {
			t.Errorf("%s: fingerprint %q after %q", c.name, now, last)
		}
		last = now
	}
}

// TestLinksToFiles: a file and symbolic links to it count once, by whichever path they are
// named. A hard link is another file, and its names are duplicates.
func TestLinksToFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a privilege
	}
	t.Chdir(t.TempDir())
	absolute, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// A volume of Kubernetes, and links to it.
	deploy(t, ".", map[string]string{"volume/..2026_01_01/x.yml": teams["base.yml"] + teams["x.yml"], "volume/..2026_01_01/secret": "s", "volume/secret": "s"})
	for link, target := range map[string]string{
		"volume/..data": "..2026_01_01", "volume/x.yml": "..data/x.yml", "volume/a.yml": "x.yml",
		"here": absolute, "to-volume": "here/volume", "volume/loop.conf": "loop.conf",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"volume/*.yml", "volume/x.yml", "volume/../volume/a.yml", "volume/..data/x.yml", "to-volume/..*/x.yml", absolute + "/here/to-volume/a.yml"}
	for i := range all {
		patterns := append(slices.Clone(all[i:]), all[:i]...)
		settings, found := config.Check(patterns...)
		if settings == nil || len(found) > 0 || len(settings.Files) != 1 || len(settings.Endpoints) != 1 {
			t.Errorf("%v: %v", patterns, found)
		}
	}
	if _, found := config.Check("volume/*.yml", "volume/loop.*"); found.Error() != "volume/loop.conf: too many levels of symbolic links" {
		t.Errorf("a link to itself: %v", found)
	}
	if err := os.Link("volume/..2026_01_01/x.yml", "volume/y.yml"); err != nil {
		t.Fatal(err)
	}
	const want = "volume/y.yml:3: credentials.a: duplicate key (first used at volume/a.yml:3)\n"
	if _, found := config.Check("volume/*.yml"); !strings.Contains(found.Error()+"\n", want) {
		t.Errorf("a hard link: %v, want %s among them", found, want)
	}
}
