package config_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/internal/golden"
	"session_exporter/internal/strictyaml"
)

// sharedBlocks maps the blocks that have no table of their own to those with the same keys.
var sharedBlocks = strings.NewReplacer(
	"endpoints[].", "modules.NAME.",
	"credentials.NAME.oauth2.tls_config", "modules.NAME.tls_config",
	"apis.NAME.logout", "apis.NAME.check",
	"apis.NAME.check.steps[]", "apis.NAME.login.steps[]",
	".or[]", "",
	"http_headers.NAME", "http_headers.HEADER",
)

// withoutRequired are blocks whose required keys have another block's defaults, or are
// replaced by `steps`.
var withoutRequired = []strictyaml.Key{"apis.NAME.logout", "apis.NAME.login", "apis.NAME.check"}

// TestSchema compares the published schema with the raw types, and with the documentation
// of their keys in docs/configuration.md. With -update, it writes the schema.
func TestSchema(t *testing.T) {
	page := sections(t)
	rowOf := func(block strictyaml.Key, name string) (row documented, ok bool) {
		heading := "`" + sharedBlocks.Replace(string(block)) + "`"
		if block == "" {
			heading = "Keys"
		}
		row, ok = keyTable(t, page[heading])[name]
		return row, ok
	}
	schema := config.Schema(func(block strictyaml.Key, name string) (strictyaml.Documentation, bool) {
		row, ok := rowOf(block, name)
		required := row.otherwise == "required" && !slices.Contains(withoutRequired, block)
		switch {
		case !ok && block == "endpoints[]":
			row, ok = rowOf("modules.NAME", name)
		case !ok && block == "apis.NAME.logout":
			row, ok = rowOf("apis.NAME.login.steps[]", name)
		}
		return strictyaml.Documentation{Text: plainText(row), Required: required}, ok
	})
	schema["title"] = "session_exporter.yml"
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("..", "docs", "session_exporter.schema.json"), text.Bytes())
}

var link = regexp.MustCompile(`\[([^]]+)\]\([^)]*\)`)

// plainText returns the meaning of a key and its default, without links, which would lead
// nowhere in an editor.
func plainText(row documented) string {
	text := row.meaning
	if row.otherwise != "–" && row.otherwise != "required" {
		text = strings.TrimPrefix(strings.TrimSuffix(text, ".")+". Default: "+row.otherwise, ". ")
	}
	return link.ReplaceAllString(text, "$1")
}
