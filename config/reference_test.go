package config_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"session_exporter/config"
	"session_exporter/internal/golden"
	"session_exporter/sessionapi"
)

// blocks are the blocks of the file, by the headings of their tables in
// docs/configuration.md. In template, %s stands for keys of the block; file is valid
// without them.
var blocks = map[string]struct{ template, file string }{
	"Keys":                               {template: "{%s}"},
	"`global`":                           {template: "global: {%s}", file: "global: {%s}\n" + aModule},
	"`credentials.NAME`":                 {template: "credentials: {c: {%s}}", file: "credentials: {c: {token: t, %s}}\n" + aModule},
	"`credentials.NAME.lockout_guard`":   {template: "credentials: {c: {lockout_guard: {%s}}}", file: "credentials: {c: {token: t, lockout_guard: {%s}}}\n" + aModule},
	"`credentials.NAME.oauth2`":          {template: "credentials: {c: {oauth2: {%s}}}", file: "credentials: {c: {oauth2: {client_id: i, client_secret: s, token_url: 'https://a.example.com', %s}}}\nmodules: {m: {api: hcx}}"},
	"`apis.NAME`":                        {template: "apis: {a: {%s}}"},
	"`apis.NAME.login`":                  {template: "apis: {a: {login: {%s}}}"},
	"`apis.NAME.login.steps[]`":          {template: "apis: {a: {login: {steps: [{%s}]}}}"},
	"`apis.NAME.session[]`":              {template: "apis: {a: {session: [{%s}]}}"},
	"`apis.NAME.check`":                  {template: "apis: {a: {check: {%s}}}"},
	"`apis.NAME.answer`":                 {template: "apis: {a: {answer: {%s}}}"},
	"`apis.NAME.states[]`":               {template: "apis: {a: {states: [{%s}]}}"},
	"`modules.NAME`":                     {template: "modules: {m: {%s}}", file: "credentials: {c: {username: u, password: p}}\nmodules: {m: {api: hcx, credential: c, %s}}\nendpoints: [{name: e, url: 'https://a.example.com', module: m}]"},
	"`modules.NAME.expect`":              {template: "modules: {m: {expect: {%s}}}", file: "modules: {m: {api: hcx, expect: {roles: [r], %s}}}"},
	"`modules.NAME.tls_config`":          {template: "modules: {m: {tls_config: {%s}}}", file: "modules: {m: {api: hcx, tls_config: {server_name: n, %s}}}"},
	"`modules.NAME.http_headers.HEADER`": {template: "modules: {m: {http_headers: {X-A: {%s}}}}"},
	"`endpoints[]`":                      {template: "endpoints: [{%s}]"},
}

const aModule = "modules: {m: {api: hcx}}\nendpoints: []"

// documented is a row of a table without its key: type, default and meaning.
type documented struct{ kind, otherwise, meaning string }

// TestReferenceKeys compares the page with the loader: the keys of each block, their
// types, which are required, and the defaults of the others.
func TestReferenceKeys(t *testing.T) {
	page := sections(t)
	for heading, block := range blocks {
		t.Run(heading, func(t *testing.T) {
			rows := keyTable(t, page[heading])
			known := knownKeys(t, block.template)
			for key := range rows {
				if !slices.Contains(known, key) {
					t.Errorf("`%s` is documented but does not exist", key)
				}
			}
			for _, key := range known {
				if row, ok := rows[key]; ok {
					checkKind(t, block.template, key, row.kind)
					continue
				}
				_, ofModules := keyTable(t, page["`modules.NAME`"])[key]
				if heading == "`endpoints[]`" && ofModules {
					continue
				}
				checkRefused(t, block.template, key, page[heading])
			}
			checkRequired(t, block.template, rows)
			checkDefaults(t, block.file, rows)
		})
	}
}

var headings = regexp.MustCompile(`(?m)^##+ (.*)$`)

// sections returns the text below each heading of the page.
func sections(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	at := headings.FindAllStringSubmatchIndex(string(page), -1)
	texts := make(map[string]string, len(at))
	for i, match := range at {
		end := len(page)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		texts[string(page[match[2]:match[3]])] = string(page[match[1]:end])
	}
	return texts
}

// tableRows returns the cells of a section's tables without their headers.
func tableRows(section string) (rows [][]string) {
	lines := strings.Split(section, "\n")
	const rule = "| ---"
	for i, line := range lines {
		isHead := i+1 < len(lines) && strings.HasPrefix(lines[i+1], rule)
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, rule) || isHead {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

func keyTable(t *testing.T, section string) map[string]documented {
	t.Helper()
	rows := make(map[string]documented)
	for _, cells := range tableRows(section) {
		if len(cells) != 4 {
			t.Fatalf("%q has %d cells, want key, type, default, meaning", cells, len(cells))
		}
		rows[strings.Trim(cells[0], "`")] = documented{cells[1], cells[2], cells[3]}
	}
	if len(rows) == 0 {
		t.Fatal("no table of keys")
	}
	return rows
}

// problemsOf returns the loader's problems with a text.
func problemsOf(text string) config.Problems {
	_, err := config.Parse([]byte(text), "testdata/reference.yml")
	problems, _ := err.(config.Problems) //nolint:errorlint // Parse gives no other
	return problems
}

// knownKeys returns the keys of a block as the loader lists them in the error about an
// unknown key that resembles none of them.
func knownKeys(t *testing.T, template string) []string {
	t.Helper()
	unlike := strings.Repeat("z", 30)
	for _, problem := range problemsOf(fmt.Sprintf(template, unlike+": 1")) {
		if list, ok := strings.CutPrefix(problem.Text, "unknown key, it must be one of: "); ok {
			return strings.Split(list, ", ")
		}
	}
	t.Fatalf("the loader lists no keys of %s", template)
	return nil
}

// kinds maps the loader's descriptions of values to the page's types.
var kinds = map[string]string{
	"text":                          "text",
	"a block of `key: value` lines": "block",
	"a whole number":                "whole number",
	"true or false":                 "true or false",
	"a duration such as 30s, 5m or 90d, at most 100y":   "duration",
	"a date such as 2027-01-31 or 2027-01-31T12:00:00Z": "date",
	"one of: TLS10, TLS11, TLS12, TLS13":                "TLS version",
	"a URL such as http://proxy.example.com:3128":       "URL",
	"an expression":     "expression",
	"a block of fields": "block",
	"one of: text, number, bool, any, a list such as [text], or a block of fields and their types": "types",
}

// kindOf sets a key to a list of lists, which is always invalid, and returns the type
// that the error names.
func kindOf(template, key string) string {
	for _, problem := range problemsOf(fmt.Sprintf(template, key+": [[]]")) {
		words, ok := strings.CutPrefix(problem.Text, "must be ")
		switch {
		case !ok:
		case strings.HasSuffix(problem.Key, "[0]") && kinds[words] == "block":
			return "list of blocks"
		case strings.HasSuffix(problem.Key, key+"[0]") && kinds[words] == "whole number":
			return "list of whole numbers"
		case strings.HasSuffix(problem.Key, key+"[0]"):
			return "list of " + kinds[words]
		case strings.HasSuffix(problem.Key, key):
			return kinds[words]
		}
	}
	return "an unknown type"
}

func checkKind(t *testing.T, template, key, kind string) {
	t.Helper()
	if is := kindOf(template, key); is != kind {
		t.Errorf("`%s` is documented as %s, and takes %s", key, kind, is)
	}
}

// checkRefused checks that a key without a row is rejected, and that the page documents it.
func checkRefused(t *testing.T, template, key, section string) {
	t.Helper()
	value := map[string]string{"block": "{x: y}"}[kindOf(template, key)]
	if value == "" {
		value = "x"
	}
	refused := slices.ContainsFunc(problemsOf(fmt.Sprintf(template, key+": "+value)), func(p config.Problem) bool {
		return strings.HasSuffix(p.Key, "."+key) && strings.Contains(p.Text, "not supported")
	})
	if !refused || !strings.Contains(section, "`"+key+"`") {
		t.Errorf("`%s` is not documented", key)
	}
}

var needed = regexp.MustCompile("needs an? `([a-z_]+)`(,|$)")

func checkRequired(t *testing.T, template string, rows map[string]documented) {
	t.Helper()
	required := make(map[string]bool)
	for _, problem := range problemsOf(fmt.Sprintf(template, "")) {
		if match := needed.FindStringSubmatch(problem.Text); match != nil {
			required[match[1]] = true
		}
	}
	for key, row := range rows {
		if documented := row.otherwise == "required"; documented != required[key] {
			t.Errorf("`%s` is documented as required: %t; it is: %t", key, documented, required[key])
		}
	}
}

// checkDefaults sets each key to its default, which must change nothing, and then to
// another value, which must.
func checkDefaults(t *testing.T, file string, rows map[string]documented) {
	t.Helper()
	parsed := func(keys string) *config.Config {
		settings, _ := config.Parse(fmt.Appendf(nil, file, keys), "testdata/reference.yml")
		if settings != nil {
			settings.YAML = "" // it repeats the file
		}
		return settings
	}
	for key, row := range rows {
		if !strings.HasPrefix(row.otherwise, "`") {
			continue
		}
		implicit, explicit := parsed(""), parsed(key+": "+strings.Trim(row.otherwise, "`"))
		if implicit == nil || explicit == nil || !reflect.DeepEqual(explicit, implicit) {
			t.Errorf("the default of `%s` is not %s", key, row.otherwise)
		}
		other := map[string]string{"duration": "59s", "whole number": "7", "true or false": "true", "list of text": "['https://b.example.com']", "text": "x"}[row.kind]
		if reflect.DeepEqual(parsed(key+": "+other), implicit) {
			t.Errorf("`%s: %s` changes nothing, so the default was not seen either", key, other)
		}
	}
}

func builtInSpecs() map[string]sessionapi.Spec {
	specs := make(map[string]sessionapi.Spec)
	for name, api := range sessionapi.BuiltIn() {
		specs[name] = api.Spec()
	}
	return specs
}

// TestReferenceAPIs compares the documented options of each API.
func TestReferenceAPIs(t *testing.T) {
	page := sections(t)
	want := make(map[string][]string)
	for name, api := range builtInSpecs() {
		auths := make([]string, len(api.Auth))
		for i, auth := range api.Auth {
			auths[i] = "`" + string(auth) + "`"
		}
		options := []string{"none"}
		if len(api.LoginOptions) > 0 {
			options = slices.Sorted(maps.Keys(api.LoginOptions))
		}
		want["`"+name+"`"] = []string{strings.Join(auths, ", "), strings.Join(options, ", ")}
	}
	got := make(map[string][]string)
	for _, cells := range tableRows(page["What each API takes"]) {
		if len(cells) == 5 {
			got[cells[0]] = []string{cells[3], strings.Trim(cells[4], "`")}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("documented are %q, want %q", got, want)
	}
	options := keyTable(t, page["`modules.NAME.login`"])
	for name, api := range builtInSpecs() {
		for option, values := range api.LoginOptions {
			for _, value := range values {
				if row := page["`modules.NAME.login`"]; options[option].kind != "text" || !strings.Contains(row, "`"+value+"`") {
					t.Errorf("`%s: %s` of api %s is not documented", option, value, name)
				}
			}
		}
	}
}

// TestReferenceResponseStates compares the states that a rule can name.
func TestReferenceResponseStates(t *testing.T) {
	all := sessionapi.ResponseStates()
	var list strings.Builder
	for i, state := range all {
		switch {
		case i == len(all)-1:
			list.WriteString(" or ")
		case i > 0:
			list.WriteString(", ")
		}
		list.WriteString("`" + string(state) + "`")
	}
	golden.Between(t, filepath.Join("..", "docs", "configuration.md"), "| `state` | text | required | ", " |\n", []byte(list.String()))
}

// TestReferenceReserved compares the reserved label names.
func TestReferenceReserved(t *testing.T) {
	for _, name := range config.ReservedLabels {
		if !strings.Contains(sections(t)["`endpoints[]`"], "`"+name+"`") {
			t.Errorf("label `%s` is reserved, and not documented", name)
		}
	}
}

// TestReferenceGuard computes the table of refusals from the guard's defaults.
func TestReferenceGuard(t *testing.T) {
	settings, err := config.Parse([]byte("credentials: {c: {token: t}}\n"+aModule), "x.yml")
	if err != nil {
		t.Fatal(err)
	}
	guard := settings.Credentials["c"].Guard
	var want [][]string
	for n, after, wait := guard.MaxRefusals, time.Duration(0), guard.RetryAfter; len(want) < 6; n++ {
		first, last := fmt.Sprint(n), ""
		if n == guard.MaxRefusals {
			first = "1 and " + first
		}
		if len(want) == 5 {
			last = ", and so on"
		}
		want = append(want, []string{first, strings.Replace(model.Duration(after).String(), "0s", "0", 1), model.Duration(wait).String() + last})
		after, wait = after+wait, min(2*wait, guard.MaxRetryAfter)
	}
	if got := tableRows(sections(t)["The lockout guard"]); !reflect.DeepEqual(got, want) {
		t.Errorf("documented are %q, want %q", got, want)
	}
}

// TestReferenceExamples loads each configuration in the documents without warnings,
// with the files and environment variables that it names.
func TestReferenceExamples(t *testing.T) {
	var examples [][]string
	for _, name := range []string{"configuration.md", "fleet.md", "migration.md"} {
		page, err := os.ReadFile(filepath.Join("..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)...)
	}
	paths := regexp.MustCompile(`(_file: |files: \[)(/[^\s,}\]]+)`)
	variables := regexp.MustCompile(`_env: ([A-Z_]+)`)
	loaded := 0
	for _, example := range examples {
		if strings.HasPrefix(example[1], "scrape_configs:") {
			continue // Prometheus' own
		}
		loaded++
		dir := t.TempDir()
		text := paths.ReplaceAllStringFunc(example[1], func(named string) string {
			at := strings.Index(named, "/")
			return named[:at] + exampleFile(t, dir, filepath.Base(named))
		})
		for _, variable := range variables.FindAllStringSubmatch(text, -1) {
			t.Setenv(variable[1], "x")
		}
		if settings, err := config.Parse([]byte(text), filepath.Join(dir, "example.yml")); err != nil {
			t.Errorf("%v\nin:\n%s", err, text)
		} else if len(settings.Problems) > 0 {
			t.Errorf("%v\nin:\n%s", settings.Problems, text)
		}
	}
	if loaded < 9 {
		t.Errorf("%d examples, want one of each kind", loaded)
	}
}

// exampleFile creates a file of an example: a certificate or key if its name says so,
// else a secret.
func exampleFile(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "tls", name))
	if err != nil {
		content = []byte("secret\n")
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
