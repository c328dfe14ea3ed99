package sessionapi

import (
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"session_exporter/secret"
)

// reservedHeaders are set from other settings, or by the HTTP client.
var reservedHeaders = []string{"Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Trailer", "Transfer-Encoding", "User-Agent"}

// IsReservedHeader reports whether a request header is set from other settings or by the
// HTTP client, so that it cannot be configured or carry a session.
func IsReservedHeader(name string) bool {
	return slices.Contains(reservedHeaders, http.CanonicalHeaderKey(name))
}

// HeaderNameProblem returns what is wrong with a header's name, empty if nothing is.
func HeaderNameProblem(name string) string {
	if httpguts.ValidHeaderFieldName(name) {
		return ""
	}
	return "invalid header name; use letters, digits and dashes"
}

// HeaderValueProblem returns what is wrong with a header's value, empty if nothing is.
func HeaderValueProblem(value string) string {
	if httpguts.ValidHeaderFieldValue(value) {
		return ""
	}
	return "contains a line break or another character that is not allowed in an HTTP header"
}

// minHeaderValue is the minimum length of a header's value for it to be a possible secret.
const minHeaderValue = 8

// SecretHeader reports whether the value of a configured header is treated as a secret,
// although it is not configured as one.
func SecretHeader(name, value string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Cookie", "Proxy-Authorization":
		return true
	case "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type", "User-Agent":
		return false // not secret: masking media types or versions would mask them in responses, too
	default:
		return len(value) >= minHeaderValue && !secret.Ordinary(value)
	}
}
