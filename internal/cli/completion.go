package cli

import (
	_ "embed"
	"slices"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"go.yaml.in/yaml/v3"

	"session_exporter/config"
	"session_exporter/internal/boundedfile"
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

// endpointNames completes the names of endpoints. It reads nothing else in the
// configuration: the user may not be allowed to read the secrets, and an error elsewhere
// does not matter here.
func endpointNames(patterns *[]string) kingpin.HintAction {
	return sync.OnceValue(func() (names []string) { // kingpin calls this for each name typed
		for _, pattern := range *patterns {
			matches, _ := new(boundedfile.Reader).Glob(pattern) // a partial result is better than none
			for _, file := range matches.Files {
				names = append(names, namesIn(file)...)
			}
		}
		slices.Sort(names)
		return slices.Compact(names)
	})
}

// namesIn returns the names of a file's endpoints, without those that cannot be printed as
// they are.
func namesIn(file string) (names []string) {
	text, _ := boundedfile.Read(file, config.MaxSize)
	var configuration struct {
		Endpoints []struct{ Name string }
	}
	_ = yaml.Unmarshal(text, &configuration) // a partial result, too
	for _, endpoint := range configuration.Endpoints {
		if name := endpoint.Name; name != "" && name == report.Printable(name) {
			names = append(names, name)
		}
	}
	return names
}
