package custom

import (
	"slices"
	"testing"
)

// A name in brackets and quotation marks is one field: Redfish calls a session's address
// `@odata.id`.
func TestFieldPath(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		"token":                    {"token"},
		"data.token":               {"data", "token"},
		"@odata.id":                {"@odata", "id"},
		`["@odata.id"]`:            {"@odata.id"},
		`['@odata.id']`:            {"@odata.id"},
		`links["@odata.id"]`:       {"links", "@odata.id"},
		`["a.b"]["c[0]"].d.e["f"]`: {"a.b", "c[0]", "d", "e", "f"},
		`["it's"]`:                 {"it's"},
		`[" "]`:                    {" "},
	} {
		if got, ok := fieldPath(text); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %t, want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{".", "a.", ".a", "a..b", "[", "[]", "[0]", "a[0]", `[""]`, `["a]`, `["a'`, `["a"`, `["a"]b`, `a.["b"]`, `["a"].`, "a]", `["a"]]`, `a]["b"]`} {
		if got, ok := fieldPath(text); ok {
			t.Errorf("%s: %q, want it rejected", text, got)
		}
	}
}
