package probe

import (
	"fmt"
	"slices"
	"strconv"

	"session_exporter/config"
)

// differences says in words how a session differs from what is expected of it.
func differences(expect config.Expect, id *Identity) []string {
	var found []string
	if expect.Username != "" && id.Username != expect.Username {
		found = append(found, fmt.Sprintf("the user is %q and not %q", id.Username, expect.Username))
	}
	for _, role := range expect.Roles {
		if !slices.Contains(id.Roles, role) {
			found = append(found, "role "+strconv.Quote(role)+" is missing")
		}
	}
	for _, role := range id.Roles {
		switch {
		case slices.Contains(expect.ForbidRoles, role):
			found = append(found, "role "+strconv.Quote(role)+" is there and must not be")
		case expect.RolesExact && !slices.Contains(expect.Roles, role):
			found = append(found, "role "+strconv.Quote(role)+" is there and is none of those expected")
		}
	}
	for _, organization := range expect.Organizations {
		if !slices.Contains(id.Organizations, organization) {
			found = append(found, "organization "+strconv.Quote(organization)+" is missing")
		}
	}
	return found
}

// rolesExpected says of each role that expect wants whether the session has it.
// Those that it forbids are left out: a 0 is a role that is missing.
func rolesExpected(expect config.Expect, id *Identity) map[string]bool {
	if id.Roles == nil || len(expect.Roles) == 0 {
		return nil
	}
	present := make(map[string]bool, len(expect.Roles))
	for _, role := range expect.Roles {
		present[role] = slices.Contains(id.Roles, role)
	}
	return present
}
