package cli

import (
	"context"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/docs"
)

func addSchema(app *kingpin.Application, s streams) command {
	app.Command("schema", "Print the JSON Schema of the configuration file, for editors.")
	return func(context.Context) error {
		_, err := io.WriteString(s.out, docs.Schema)
		return err
	}
}
