package probe

import (
	"maps"
	"testing"

	"session_exporter/config"
)

func TestRolesExpected(t *testing.T) {
	for _, c := range []struct {
		name   string
		expect config.Expect
		has    []string
		want   map[string]bool
	}{
		{"there and missing", config.Expect{Roles: []string{"a", "b"}}, []string{"a", "c"}, map[string]bool{"a": true, "b": false}},
		{"none at all", config.Expect{Roles: []string{"a"}}, []string{}, map[string]bool{"a": false}},
		{"none said", config.Expect{Roles: []string{"a"}}, nil, nil},
		{"a forbidden one is not missing", config.Expect{Roles: []string{"a"}, ForbidRoles: []string{"root"}}, []string{"a"}, map[string]bool{"a": true}},
		{"only forbidden ones", config.Expect{ForbidRoles: []string{"root"}}, []string{"root"}, nil},
	} {
		if got := rolesExpected(c.expect, &Identity{Roles: c.has}); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
