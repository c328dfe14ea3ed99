// Package docs embeds the documents that the program prints or serves.
package docs

import _ "embed"

// Schema is the JSON Schema of the configuration file. A test of package config compares it
// with the raw types.
//
//go:embed session_exporter.schema.json
var Schema string
