package sessionapi

import (
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"session_exporter/secret"
)

// Issued holds the values of a token response other than the token itself.
type Issued struct {
	// Expires is when the token expires, zero if the response gives no lifetime, or an
	// absurd one.
	Expires time.Time
	// RefreshToken replaces the one that was presented, if it is not zero.
	RefreshToken secret.Secret
	// IDToken is not used, but must be masked.
	IDToken secret.Secret
}

// InterpretToken interprets the token response of an OAuth 2.0 authorization server (RFC
// 6749, 5.1) or its error response (5.2). Servers send both with any status and
// Content-Type.
func InterpretToken(response Response, sent time.Time) (in Interpretation, issued Issued) {
	in, fields := tokenFields(response)
	// The tokens are set whatever the status, so that they are masked.
	in.Token = fields.secret("access_token")
	issued = Issued{
		Expires:      fields.expiry(sent),
		RefreshToken: fields.secret("refresh_token"),
		IDToken:      fields.secret("id_token"),
	}
	in.Code, in.Message = fields.text("error"), cmp.Or(fields.text("error_description"), fields.text("message"))
	if code, description := errorPrefix(in.Message); in.Code == "" && code != "" {
		in.Code, in.Message = code, description
	}
	refusal := in.LoginState(http.StatusBadRequest, "")
	switch {
	case response.OK() && in.Token.IsZero() && (in.Code != "" || fields.hasError() || refusal != ""):
		// An error response with the wrong status: the secret may have been checked.
		in.State, in.Why = cmp.Or(tokenErrorState(in.Code), refusal, BadRequest), ""
	case !response.OK() || in.Code != "":
		in.State, in.Why = tokenErrorState(in.Code), ""
	case in.State == InvalidResponse:
	case in.Token.IsZero():
		in.State, in.Why = InvalidResponse, "it has no `access_token`"
	case !HeaderSafe(in.Token):
		in.State, in.Why = InvalidResponse, "its token has characters that no HTTP header can carry"
	default:
		in.State = Valid
	}
	return in, issued
}

// tokenErrorState returns what an error code means (RFC 6749, 5.2 and 4.1.2.1), empty
// if it leaves that to the status.
func tokenErrorState(code string) State {
	switch code {
	case "invalid_client", "unauthorized_client", "invalid_grant", "access_denied", "invalid_token", "expired_token":
		return CredentialsRejected
	case "invalid_request", "invalid_scope", "unsupported_grant_type":
		return BadRequest
	case "server_error", "temporarily_unavailable":
		return ServerError
	}
	return ""
}

// errorPrefix splits a text such as "invalid_grant: token expired" if it begins with an
// error code.
func errorPrefix(text string) (code, description string) {
	code, description, _ = strings.Cut(text, ":")
	if code = strings.TrimSpace(code); tokenErrorState(code) == "" {
		return "", ""
	}
	return code, strings.TrimSpace(description)
}

// tokenJSON holds the fields of a response by their exact names. A field of an
// unexpected type must not keep the others from being read.
type tokenJSON map[string]json.RawMessage

// tokenFields decodes a body: as JSON, whatever its Content-Type, or else as what older
// servers send: a form, or the error code as text.
func tokenFields(response Response) (Interpretation, tokenJSON) {
	in, fields := DecodeJSON[tokenJSON](response)
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if fields != nil || mediaType != "application/x-www-form-urlencoded" && mediaType != "text/plain" {
		return in, fields
	}
	form, err := url.ParseQuery(string(response.Body))
	if code, description := errorPrefix(string(response.Body)); code != "" {
		form, err = url.Values{"error": {code}, "error_description": {description}}, nil
	}
	if err != nil || !form.Has("access_token") && !form.Has("error") {
		return in, nil
	}
	fields = make(tokenJSON, len(form))
	for name := range form {
		fields[name], _ = json.Marshal(form.Get(name)) // text can always be encoded
	}
	return Interpretation{}, fields
}

// text returns a field, empty if it is not text.
func (f tokenJSON) text(name string) string {
	var text string
	_ = json.Unmarshal(f[name], &text) // on failure, text stays empty
	return text
}

// secret returns a field that is a token, zero if it is not text or has only spaces.
func (f tokenJSON) secret(name string) secret.Secret {
	text := f.text(name)
	if strings.TrimSpace(text) == "" {
		return secret.Secret{}
	}
	return secret.New(text)
}

// hasError reports whether the response has an error, of any type.
func (f tokenJSON) hasError() bool {
	switch string(f["error"]) {
	case "", "null", "false", `""`:
		return false
	}
	return true
}

// expiry returns when the token expires: expires_in seconds after the request was
// sent. The number may be quoted. A lifetime that is zero, negative or absurd is ignored.
func (f tokenJSON) expiry(sent time.Time) time.Time {
	text := strings.TrimSpace(strings.Trim(string(f["expires_in"]), `"`))
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0) {
		return time.Time{}
	}
	return ClockTime(float64(sent.UnixMilli()) + seconds*1000)
}
