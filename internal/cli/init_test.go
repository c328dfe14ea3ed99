package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"session_exporter/config"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
	"session_exporter/simulator"
)

// suggestion matches a commented-out line with a key.
var suggestion = regexp.MustCompile(`(?m)^( +)# ([a-z_]+: )`)

// Each starter configuration is free of errors and warnings as soon as its secret exists,
// also with all its suggestions, and has the settings of its example.
func TestInit(t *testing.T) {
	ca, err := simulator.NewCA()
	must(t, err)
	for _, api := range config.APINames() {
		t.Run(api, func(t *testing.T) {
			code, text, stderr := runWith(t, t.Context(), "init", "--api="+api)
			if code != exitOK || stderr != "" {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			file := writeConfig(t, text)
			if _, found := config.Check(file); len(found) != 1 || found[0].Severity != config.MissingSecret {
				t.Errorf("without the secret: %v", found)
			}
			d, ok := example(api)
			if !ok {
				t.Fatal("no example")
			}
			account, _ := only(d.Credentials)
			must(t, os.Mkdir(filepath.Join(filepath.Dir(file), "secrets"), 0o700))
			must(t, os.WriteFile(filepath.Join(filepath.Dir(file), "secrets", account), []byte("x"), 0o600))
			must(t, os.WriteFile(filepath.Join(filepath.Dir(file), "ca.pem"), []byte(ca.PEM()), 0o600))
			if _, found := config.Check(file); len(found) > 0 {
				t.Errorf("%v\nin:\n%s", found, text)
			}
			full := suggestion.ReplaceAllString(text, "$1$2")
			suggestions := 4
			if builtIn, ok := sessionapi.BuiltIn()[api]; ok && builtIn.Spec().NoUsername {
				suggestions-- // no `expect`
			}
			if _, found := config.CheckText([]byte(full), file); len(found) > 0 || strings.Count(full, "# ")+suggestions != strings.Count(text, "# ") {
				t.Errorf("%v\nwith the suggestions:\n%s", found, full)
			}
			checkExample(t, d, account, text)
		})
	}
	if code, stdout, stderr := runWith(t, t.Context(), "init", "--api=vcentre"); code != exitUsage || stdout != "" || stderr != "session_exporter: --api: unknown API, did you mean `vcenter`?\n" {
		t.Errorf("%d: %s%s", code, stdout, stderr)
	}
}

// checkExample checks that a starter configuration has the settings of its example.
func checkExample(t *testing.T, want document, account, text string) {
	t.Helper()
	var got document
	must(t, yaml.Unmarshal([]byte(text), &got))
	credential := want.Credentials[account]
	if credential.TokenFile != "" {
		credential.TokenFile = "secrets/" + account
	} else {
		credential.PasswordFile = "secrets/" + account
	}
	want.Credentials[account] = credential
	got.APIs, want.APIs = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// An example of the catalogue has only keys that document has, so that a starter
// configuration and a probe of a URL lose none of its settings.
func TestExamplesHaveNoOtherKeys(t *testing.T) {
	for _, api := range catalogue.Names() {
		text, _ := catalogue.File(api)
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		var d document
		if err := decoder.Decode(&d); err != nil || len(d.Credentials) != 1 || len(d.Modules) != 1 || len(d.Endpoints) != 1 {
			t.Errorf("%s: %v", api, err)
		}
		if _, definition := only(d.Modules); definition.API != api {
			t.Errorf("%s is an example of %s", api, definition.API)
		}
	}
}

// An API that is built in and not in the catalogue has an example, too.
func TestExampleOfBuiltInAPI(t *testing.T) {
	for api, spec := range map[string]sessionapi.URLHints{"hcx": sessionapi.BuiltIn()["hcx"].Spec().URL, "dr": sessionapi.BuiltIn()["dr"].Spec().URL} {
		d := exampleOf(api, spec)
		text, err := d.text()
		must(t, err)
		file := writeConfig(t, string(text))
		must(t, os.WriteFile(filepath.Join(filepath.Dir(file), "secret"), []byte("x"), 0o600))
		if _, found := config.Check(file); len(found) > 0 {
			t.Errorf("%s: %v", api, found)
		}
	}
}
