package main

import (
	_ "embed"
	"os"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"go.yaml.in/yaml/v3"
)

// The shells' side of --completion-script-bash and --completion-script-zsh.
var (
	//go:embed completion.bash
	bashCompletion string
	//go:embed completion.zsh
	zshCompletion string
)

// kingpin's own scripts complete no `--flag=value`, and the one for bash lets the
// shell expand what it is told: an endpoint named $(reboot) would be run.
func init() {
	kingpin.BashCompletionTemplate = bashCompletion
	kingpin.ZshCompletionTemplate = zshCompletion
}

// endpointNames completes the names of endpoints. It asks for no more of the
// configuration than them: who types may not be who is allowed to read the
// secrets, and an error elsewhere in the file is not of interest now.
func endpointNames(file *string) kingpin.HintAction {
	return sync.OnceValue(func() []string { // kingpin asks for each name typed
		text, err := os.ReadFile(*file)
		if err != nil {
			return nil
		}
		var configuration struct {
			Endpoints []struct{ Name string }
		}
		_ = yaml.Unmarshal(text, &configuration) // what can be understood is
		names := make([]string, 0, len(configuration.Endpoints))
		for _, endpoint := range configuration.Endpoints {
			if name := endpoint.Name; name != "" && name == printable(name) {
				names = append(names, name)
			}
		}
		return names
	})
}
