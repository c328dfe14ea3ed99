// Package schema tests the JSON Schema of the configuration with an independent
// validator: an editor that uses the schema accepts what the exporter accepts, and finds
// wrong keys and types.
package schema

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"session_exporter/config"
	"session_exporter/docs"
	"session_exporter/simulator"
)

const repository = "../.."

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// compiled returns the compiled schema, which it validates against the meta-schema.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(docs.Schema))
	must(t, err)
	compiler := jsonschema.NewCompiler()
	meta, err := compiler.Compile("http://json-schema.org/draft-07/schema#")
	must(t, err)
	must(t, meta.Validate(document))
	must(t, compiler.AddResource("session_exporter.schema.json", document))
	schema, err := compiler.Compile("session_exporter.schema.json")
	must(t, err)
	return schema
}

// configurations returns every configuration of the repository by its place: those in testdata
// (except errors), the catalogue, deploy/ and the documents, and that of the demo.
func configurations(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	must(t, filepath.WalkDir(repository, func(path string, entry os.DirEntry, err error) error {
		name := entry.Name()
		if err != nil || entry.IsDir() {
			if strings.HasPrefix(name, ".") && name != ".." || name == "node_modules" || name == "errors" {
				return filepath.SkipDir
			}
			return err
		}
		if filepath.Ext(name) != ".yml" && filepath.Ext(name) != ".yaml" && filepath.Ext(name) != ".md" {
			return nil
		}
		content, err := os.ReadFile(path)
		if filepath.Ext(name) != ".md" {
			addConfiguration(all, path, string(content))
			return err
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(content), -1) {
			first, _, _ := strings.Cut(block[1], "\n")
			addConfiguration(all, path+": "+first, block[1])
		}
		return err
	}))
	fleet, err := simulator.NewFleet(t.TempDir())
	must(t, err)
	t.Cleanup(fleet.Close)
	all["demo"] = fleet.Config()
	return all
}

// ownKey matches a top-level key that only the exporter's configuration has.
var ownKey = regexp.MustCompile(`(?m)^(credentials|apis|modules|endpoints):`)

// addConfiguration adds a text if it is a configuration of the exporter.
func addConfiguration(all map[string]string, place, text string) {
	if ownKey.MatchString(text) {
		all[place] = text
	}
}

func TestAcceptsConfigurations(t *testing.T) {
	schema, all := compiled(t), configurations(t)
	for place, text := range all {
		if err := schema.Validate(instance(t, text)); err != nil {
			t.Errorf("%s: %v", place, err)
		}
	}
	if len(all) < 30 {
		t.Errorf("found only %d configurations", len(all))
	}
}

// TestRejects: the loader and the schema reject each of these mistakes, and accept the
// configuration without it.
func TestRejects(t *testing.T) {
	schema := compiled(t)
	for template, mistakes := range map[string][]string{
		"{modules: {m: {api: hcx}}, %s}":                               {"zzz: 1", "module: {}", "endpoints: {}", "endpoints: [e]", "global: 3"},
		"{modules: {m: {api: hcx}}, global: {%s}}":                     {"zzz: 1", "intervall: 1m", "interval: 30", "timeout: 5 min", "metrics_deny: go_.*", "metrics_deny: [~]"},
		"{modules: {m: {api: hcx, %s}}}":                               {"zzz: 1", "auth: zzz", "login: vsphere", "interval: [1m]", "session_max_age: soon", "proxy_url: proxy.example.com", "proxy_from_environment: 1", "proxy_connect_header: {X-A: b}", "http_headers: {X-A: b}", "http_headers: {X-A: {value: [b]}}"},
		"{modules: {m: {api: hcx, expect: {roles: [r], %s}}}}":         {"zzz: 1", "role: r", "username: [u]", "roles_exact: maybe", "organizations: DEFAULT"},
		"{modules: {m: {api: hcx, tls_config: {%s}}}}":                 {"zzz: 1", "ca_ref: x", "min_version: TLS14", "insecure_skip_verify: {}"},
		"{modules: {m: {api: hcx}}, credentials: {c: {token: t, %s}}}": {"zzz: 1", "expires: tomorrow", "lockout_guard: 3", "lockout_guard: {max_refusals: two}", "lockout_guard: {max_refusals: 2.7}", "lockout_guard: {zzz: 1}", "origins: https://a.example.com", "oauth2: sso"},
		"{modules: {m: {api: hcx}}, credentials: {c: {oauth2: {client_id: i, client_secret: s, token_url: 'https://a.example.com', %s}}}}":             {"zzz: 1", "client_secret_ref: r", "auth_style: both", "grant_type: implicit", "signature_algorithm: ES256", "claims: [a]", "scopes: a", "endpoint_params: [a]", "tls_config: {zzz: 1}"},
		"{apis: {a: {auth: [basic], check: {path: /, %s}, answer: {username: body.u}}}, modules: {m: {api: a}}}":                                       {"zzz: 1", "method: [GET]", "send: xml"},
		"{apis: {a: {auth: [basic], check: {path: /}, answer: {username: body.u, %s}}}, modules: {m: {api: a}}}":                                       {"zzz: 1", "roles: [admin]"},
		"{apis: {a: {auth: [basic], check: {path: /}, answer: {username: body.u}, %s}}, modules: {m: {api: a}}}":                                       {"zzz: 1", "headers: [a]", "states: [{when: ok}]", "states: [{when: ok, state: valid}]", "states: [{when: ok, state: forbidden, zzz: 1}]"},
		"{apis: {a: {session: [{from: header, name: X-A, %s}], check: {path: /}, answer: {username: body.u}}}, modules: {m: {api: a}}}":                {"zzz: 1", "to: place", "or: {}", "or: [{name: x}]", "or: [{from: header, name: x, zzz: 1}]", "optional: maybe"},
		"{modules: {m: {api: hcx}}, credentials: {c: {token: t}}, endpoints: [{name: e, url: 'https://a.example.com', module: m, credential: c, %s}]}": {"zzz: 1", "auth: zzz", "labels: [a]", "labels: {a: [b]}", "expect: {zzz: 1}", "interval: 5"},
		"{modules: {m: {%s api: hcx}}, credentials: {c: {token: t}}}":                                                                                  {"<<: {zzz: 1},"},
	} {
		if _, err := config.Parse([]byte(strings.Replace(template, "%s", "", 1)), "x.yml"); err != nil {
			t.Errorf("the loader rejects %s: %v", template, err)
		}
		if err := schema.Validate(instance(t, strings.Replace(template, "%s", "", 1))); err != nil {
			t.Errorf("the schema rejects %s: %v", template, err)
		}
		for _, mistake := range mistakes {
			text := strings.Replace(template, "%s", mistake, 1)
			if _, err := config.Parse([]byte(text), "x.yml"); err == nil {
				t.Errorf("the loader accepts %s", text)
			}
			if err := schema.Validate(instance(t, text)); err == nil {
				t.Errorf("the schema accepts %s", text)
			}
		}
	}
}

// schemaErrors matches the loader's errors about keys and types of values, which the schema
// must find too.
var schemaErrors = regexp.MustCompile(`^(unknown key|must be (text|a list|a block of .key|true or false|a whole number|a duration|a date|one of: TLS)|has no value;)`)

// TestAgreesWithLoader changes configurations in one place at a time: the schema accepts what the
// loader accepts, and rejects a wrong key or type that the loader rejects.
func TestAgreesWithLoader(t *testing.T) {
	schema := compiled(t)
	accepted, rejected := 0, 0
	for _, file := range []string{"config/testdata/valid/full.yml", "sessionapi/catalogue/redfish.yml", "sessionapi/catalogue/hcx.yml"} {
		file = filepath.Join(repository, file)
		content, err := os.ReadFile(file)
		must(t, err)
		mutate(t, content, func(changed []byte) {
			_, loaderErr := config.Parse(changed, file)
			problems, _ := loaderErr.(config.Problems) //nolint:errorlint // Parse returns no other type
			schemaErr := schema.Validate(instance(t, string(changed)))
			switch {
			case loaderErr == nil && schemaErr != nil:
				t.Errorf("only the schema rejects %s:\n%v", firstDifference(content, changed), schemaErr)
			case schemaErr == nil && len(problems) > 0 && schemaErrors.MatchString(problems[0].Text):
				t.Errorf("only the loader rejects %s:\n%v", firstDifference(content, changed), loaderErr)
			case schemaErr == nil:
				accepted++
			default:
				rejected++
			}
		})
	}
	t.Logf("%d changes are accepted, %d rejected", accepted, rejected)
	if accepted < 500 || rejected < 1000 {
		t.Errorf("%d changes are accepted, %d rejected", accepted, rejected)
	}
}
