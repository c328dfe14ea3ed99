package strictyaml

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestSchema describes a type with a value of each kind.
func TestSchema(t *testing.T) {
	type level string
	type block struct {
		Text    string            `yaml:"text,omitempty"`
		Count   *int              `yaml:"count,omitempty"`
		On      bool              `yaml:"on,omitempty"`
		Level   level             `yaml:"level,omitempty"`
		List    []string          `yaml:"list,omitempty"`
		Named   map[string]string `yaml:"named,omitempty"`
		Any     Tree              `yaml:"any,omitempty"`
		Refused string            `yaml:"refused,omitempty"`
	}
	type file struct {
		Block block `yaml:",inline"`
	}
	d := &Decoder{Scalars: map[reflect.Type]Scalar{reflect.TypeFor[level](): {Schema: OneOf[level]("info", "warn")}}}
	var asked []Key
	got := d.Schema(reflect.TypeFor[struct {
		Files map[string][]file `yaml:"files"`
	}](), func(block Key, name string) (Documentation, bool) {
		asked = append(asked, block.Field(name))
		return Documentation{Text: "the " + name, Required: name == "text"}, name != "refused"
	})
	const text, single = `{"description": "the text", "type": ["string", "number", "boolean", "null"]}`, `{"type": ["string", "number", "boolean", "null"]}`
	const want = `{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"type": ["object", "null"], "required": [], "additionalProperties": false,
		"properties": {"files": {
			"description": "the files", "type": ["object", "null"],
			"additionalProperties": {"type": ["array", "null"], "items": {
				"type": ["object", "null"], "not": {"type": "null"}, "required": ["text"], "additionalProperties": false,
				"properties": {
					"text": ` + text + `,
					"count": {"description": "the count", "type": ["integer", "null"]},
					"on": {
						"description": "the on", "type": ["boolean", "string", "null"], "pattern": "^([yY]|yes|Yes|YES|[nN]|no|No|NO|on|On|ON|off|Off|OFF)$",
						"errorMessage": "must be true or false", "patternErrorMessage": "must be true or false"
					},
					"level": {"description": "the level", "anyOf": [{"enum": ["info", "warn"]}, {"type": ["string", "null"], "maxLength": 0}]},
					"list": {"description": "the list", "type": ["array", "null"], "items": {"type": ["string", "number", "boolean", "null"], "not": {"type": "null"}}},
					"named": {"description": "the named", "type": ["object", "null"], "additionalProperties": ` + single + `},
					"any": {"description": "the any"}
				}
			}}
		}}
	}`
	encoded, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var gotValue, wantValue any
	if err := json.Unmarshal(encoded, &gotValue); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wantValue); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(gotValue, wantValue) {
		t.Errorf("got %s\nwant %s", encoded, want)
	}
	if asked[1] != "files.NAME[].any" {
		t.Errorf("asked for %q", asked)
	}
}
