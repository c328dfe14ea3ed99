// Package catalogue embeds definitions of session APIs, to copy into a configuration.
package catalogue

import (
	"embed"
	"strings"
)

// files contains NAME.yml for each API: a configuration that can be loaded.
//
//go:embed *.yml
var files embed.FS

// Names returns the names of the APIs.
func Names() []string {
	entries, _ := files.ReadDir(".") // it exists
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), ".yml")
	}
	return names
}

// File returns the file of an API. ok is false if the catalogue has no API of that name.
func File(name string) (text []byte, ok bool) {
	text, err := files.ReadFile(name + ".yml")
	return text, err == nil
}
