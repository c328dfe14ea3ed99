package cli

import (
	_ "embed"
	"os"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"go.yaml.in/yaml/v3"

	"session_exporter/internal/report"
)

// The scripts of --completion-script-bash and --completion-script-zsh.
var (
	//go:embed completion.bash
	bashCompletion string
	//go:embed completion.zsh
	zshCompletion string
)

// kingpin's own scripts do not complete `--flag=value`, and the one for bash lets the shell
// expand the completions: an endpoint named $(reboot) would be run.
func init() {
	kingpin.BashCompletionTemplate = bashCompletion
	kingpin.ZshCompletionTemplate = zshCompletion
}

// endpointNames completes the names of endpoints. It reads nothing else of the
// configuration: the user may not be allowed to read the secrets, and an error elsewhere
// in the file does not matter here.
func endpointNames(file *string) kingpin.HintAction {
	return sync.OnceValue(func() []string { // kingpin calls this for each name typed
		text, err := os.ReadFile(*file)
		if err != nil {
			return nil
		}
		var configuration struct {
			Endpoints []struct{ Name string }
		}
		_ = yaml.Unmarshal(text, &configuration) // a partial result is better than none
		names := make([]string, 0, len(configuration.Endpoints))
		for _, endpoint := range configuration.Endpoints {
			if name := endpoint.Name; name != "" && name == report.Printable(name) {
				names = append(names, name)
			}
		}
		return names
	})
}
