package cli

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/config"
	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
)

//go:embed starter.yml.tmpl
var starterText string

func addInit(app *kingpin.Application, s streams) command {
	cmd := app.Command("init", "Print a commented configuration to start from. It can be loaded once its secret file exists.")
	api := cmd.Flag("api", "The session API, built in or in the catalogue; `apis` lists them.").Default("hcx").HintAction(config.APINames).String()
	return func(context.Context) error {
		text, err := starter(*api)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		_, err = s.out.Write(text)
		return err
	}
}

// starterValues are the values of the template.
type starterValues struct {
	API                 string
	Comment, Definition string // from the catalogue; empty for a built-in API
	Account, Secret     string // the credential's name, and the file of its secret
	Credential          documentCredential
	ModuleName          string
	Module              documentModule
	Options             map[string][]string // login options and their values
	NoUsername          bool                // the API does not report the user
	Endpoint            documentEndpoint
}

// starter returns a configuration to start from.
func starter(api string) ([]byte, error) {
	d, ok := example(api)
	if !ok {
		return nil, fmt.Errorf("--api: unknown API%s", strictyaml.Suggest(api, knownAPIs()))
	}
	v := starterValues{API: api, Endpoint: d.Endpoints[0]}
	v.Account, v.Credential = only(d.Credentials)
	v.ModuleName, v.Module = only(d.Modules)
	v.Secret = "secrets/" + v.Account
	if builtIn, ok := sessionapi.BuiltIn()[api]; ok {
		spec := builtIn.Spec()
		v.Options, v.NoUsername = spec.LoginOptions, spec.NoUsername
	} else {
		text, _ := catalogue.File(api) // it has every API that is not built in
		comment, block, _ := strings.Cut(string(text), "\napis:\n")
		v.Comment = comment
		v.Definition, _, _ = strings.Cut(block, "\ncredentials:")
	}
	var b bytes.Buffer
	// Only this command needs the template, so no other parses it at its start.
	tmpl := template.Must(template.New("starter").Funcs(template.FuncMap{"join": strings.Join}).Parse(starterText))
	err := tmpl.Execute(&b, v)
	return b.Bytes(), err
}
