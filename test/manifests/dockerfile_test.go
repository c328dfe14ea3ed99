package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stages returns the Dockerfile's stages, as Docker parses them.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := os.Open(repository + "/Dockerfile")
	must(t, err)
	defer func() { _ = file.Close() }() // opened for reading only
	result, err := parser.Parse(file)
	must(t, err)
	for _, warning := range result.Warnings {
		t.Errorf("%s", warning.Short)
	}
	stages, _, err := instructions.Parse(result.AST, nil)
	must(t, err)
	return stages
}

// commands returns a stage's commands of one type.
func commands[T instructions.Command](stage instructions.Stage) []T {
	var found []T
	for _, command := range stage.Commands {
		if typed, ok := command.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

func TestImage(t *testing.T) {
	stages := stages(t)
	image := stages[len(stages)-1]
	if image.BaseName != "scratch" {
		t.Errorf("the image's base is %s, want scratch", image.BaseName)
	}
	if user := commands[*instructions.UserCommand](image); len(user) != 1 || user[0].User != "65532:65532" {
		t.Error("the image does not run as 65532:65532; a user name would need /etc/passwd")
	}
	if expose := commands[*instructions.ExposeCommand](image); len(expose) != 1 || !slices.Equal(expose[0].Ports, []string{"10987"}) {
		t.Error("the image does not expose the exporter's port")
	}
	entrypoint := commands[*instructions.EntrypointCommand](image)
	if len(entrypoint) != 1 || entrypoint[0].PrependShell || !slices.Equal(entrypoint[0].CmdLine, []string{"/session_exporter"}) {
		t.Fatal("the image's entry point is not the exporter")
	}
	health := commands[*instructions.HealthCheckCommand](image)
	if len(health) != 1 || !slices.Equal(health[0].Health.Test, []string{"CMD", "/session_exporter", "healthcheck"}) {
		t.Error("the health check is not the exporter's own, or needs a shell")
	}
	var copied []string
	for _, command := range commands[*instructions.CopyCommand](image) {
		copied = append(copied, command.DestPath)
	}
	for _, file := range []string{"/session_exporter", "/etc/ssl/certs/ca-certificates.crt", "/licenses/"} {
		if !slices.Contains(copied, file) {
			t.Errorf("the image lacks %s", file)
		}
	}
}

// TestVersionIsStamped: the build has an ARG for each variable that the Makefile sets from git.
// Its default is that of the Makefile without git; VERSION has none.
func TestVersionIsStamped(t *testing.T) {
	args := map[string]string{}
	for _, command := range commands[*instructions.ArgCommand](stages(t)[0]) {
		for _, arg := range command.Args {
			args[arg.Key] = arg.ValueString()
		}
	}
	makefile := read(t, repository+"/Makefile")
	variables := regexp.MustCompile(`(?m)^(\w+)\s*\?= .*\$\(shell git (?:.*\|\| echo (\S+)\)$)?`).FindAllStringSubmatch(makefile, -1)
	if len(variables) < 4 {
		t.Errorf("found only %d variables in the Makefile", len(variables))
	}
	for _, variable := range variables {
		if value, ok := args[variable[1]]; !ok || value != variable[2] {
			t.Errorf("ARG %s is %q (%t), want %q", variable[1], value, ok, variable[2])
		}
	}
}

// TestImageIsBuiltWithTheModulesGo: the image is built with a pinned Go of the version in go.mod,
// on the builder's platform rather than the image's.
func TestImageIsBuiltWithTheModulesGo(t *testing.T) {
	stage := stages(t)[0]
	base := stage.BaseName
	if !regexp.MustCompile(`@sha256:[0-9a-f]{64}$`).MatchString(base) || stage.Platform != "$BUILDPLATFORM" {
		t.Errorf("the image is built with %s on %q, want a digest and $BUILDPLATFORM", base, stage.Platform)
	}
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, repository+"/go.mod"))
	if want := "golang:" + language[1] + "."; !strings.HasPrefix(base, want) {
		t.Errorf("the image is built with %s, go.mod requires %s", base, language[1])
	}
}
