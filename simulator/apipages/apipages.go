// Package apipages embeds the response bodies of the vendors' API pages, as published, for
// tests: "Get Session" of HCX Manager's appliance management and "Get Current Session" of
// the disaster-recovery gateways (developer.broadcom.com).
package apipages

import _ "embed" // for the bodies

// The bodies of HCX: a session, and two failures.
var (
	//go:embed hcx_session.json
	HCXSession string
	//go:embed hcx_unauthorized.json
	HCXUnauthorized string
	//go:embed hcx_internal_error.json
	HCXInternalError string
)

// The bodies of the gateways: a session, and a failure. The page has type names as values.
var (
	//go:embed dr_session.json
	DRSession string
	//go:embed dr_error.json
	DRError string
)
