package sessionapi

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"session_exporter/secret"
)

// hcxHybridity is the session API of HCX Manager's operations API on port 443, which
// PowerCLI and VMware's Terraform provider use. It has no logout, and no request for the
// current session, so the check reads the site pairings.
type hcxHybridity struct{}

const (
	hybridityLoginPath = "/hybridity/api/sessions"
	hybridityCheckPath = "/hybridity/api/cloudConfigs"

	// hybriditySessionMaxAge limits how long a changed password goes unnoticed. A shorter
	// time would leave more sessions on the appliance, where they expire after 15 idle
	// minutes.
	hybriditySessionMaxAge = 4 * time.Hour
)

// hybridityRefusals are the causes of a 401, which the API does not distinguish.
const hybridityRefusals = "HCX sends 401 for a wrong password, for a locked, disabled or expired account, and when single sign-on fails"

const hybridityNoLogout = "this API has no logout, so a session that the exporter replaces stays until it has been idle for 15 minutes"

func (hcxHybridity) Spec() Spec {
	return Spec{
		Auth:         []Auth{AuthLogin, AuthToken},
		LoginOptions: map[string][]string{"auth_type": {"password"}},
		NoUsername:   true, NoRoles: true, NoOrganizations: true,
		URL:            URLHints{NoPath: true},
		SessionHeaders: []string{hcxTokenHeader},
		SessionMaxAge:  hybriditySessionMaxAge,
	}
}

func (hcxHybridity) Request(step Step, account Account) Request {
	switch step {
	case Login:
		body, _ := json.Marshal(hcxLogin{account.Username, account.Password.Reveal(), account.Options["auth_type"]}) // strings always marshal
		return Request{Method: http.MethodPost, Path: hybridityLoginPath, Body: body}
	case Logout:
		return Request{}
	default:
		return Request{Method: http.MethodGet, Path: hybridityCheckPath}
	}
}

func (hcxHybridity) Interpret(step Step, response Response) Interpretation {
	var token secret.Secret
	if step == Login {
		token = secret.New(response.Header.Get(hcxTokenHeader))
	}
	in, hasError := decodeHybridity(response)
	if response.OK() && !token.IsZero() {
		in = Interpretation{State: Valid} // the body of a login is not documented
	}
	in.Token, in.ServerTime = token, DateHeader(response.Header)
	switch body := bytes.TrimSpace(response.Body); {
	case step == Login && response.Status == http.StatusUnauthorized:
		if !in.Page && !in.AccountUnusable() {
			in.Why = hybridityRefusals
		}
	case in.State != "" || !response.OK():
	case hasError && step == Login && wordsState(in.words()) == CredentialsRejected:
		in.State, in.Why = CredentialsRejected, "its body reports an error"
	case hasError && step == Check && hybridityNoSession.MatchString(in.words()):
		in.State, in.Why = SessionExpired, "its body reports an error"
	case hasError:
		in.State, in.Why = ServerError, "its body reports an error"
	case step == Login:
		in.State, in.Why = InvalidResponse, "it has no session token in its x-hm-authorization header"
	case len(body) == 0 || string(body) == "null":
		in.State, in.Why = InvalidResponse, "its body is empty"
	default:
		in.State, in.Why = Valid, hybridityNoLogout
		in.Identity = &Identity{Username: Unnamed}
	}
	return in
}

// hybridityNoSession matches errors about the session. The words of a refused login are
// not among them: a certificate expires too, and access is denied to a valid session.
var hybridityNoSession = regexp.MustCompile(`(?i)\bunauth(enticated|orized)\b|\bnot (authenticated|logged in)\b|` +
	`\b(session|token)\b.*\b(expired|invalid|not valid)\b|\b(expired|invalid)\b.*\b(session|token)\b`)

// hybridityBody holds the fields in which a JSON body may report an error. Their types are not
// documented.
type hybridityBody struct {
	Success   jsontext.Value `json:"success"`
	ErrorCode jsontext.Value `json:"errorCode"`
	Error     jsontext.Value `json:"error"`
	Errors    jsontext.Value `json:"errors"`
	Message   jsontext.Value `json:"message"`
}

// decodeHybridity decodes a body, and reports whether it is an error. State is
// InvalidResponse if the body is neither JSON nor an XML error; an empty body is not an
// error.
func decodeHybridity(response Response) (in Interpretation, hasError bool) {
	if in.Message = xmlError(response.Body); in.Message != "" {
		return in, true
	}
	if bytes.HasPrefix(bytes.TrimSpace(response.Body), []byte("[")) {
		in, _ = DecodeJSON[jsontext.Value](response)
		return in, false
	}
	in, body := DecodeJSON[hybridityBody](response)
	in.Code, in.Message = jsonText(body.ErrorCode), cmp.Or(jsonText(body.Error), jsonText(body.Message))
	return in, string(body.Success) == "false" || isError(body.ErrorCode) || isError(body.Error) || isError(body.Errors)
}

// isError reports whether an error field is set.
func isError(field jsontext.Value) bool {
	switch string(field) {
	case "", "null", "false", `""`, "0", "[]", "{}":
		return false
	}
	return true
}

// jsonText returns a value that is text, empty for any other.
func jsonText(value jsontext.Value) (text string) {
	if value.Kind() == '"' {
		_ = json.Unmarshal(value, &text, jsonOptions)
	}
	return text
}

// maxXML limits the size of an XML error. A real one has a few hundred bytes.
const maxXML = 16 << 10

// xmlErrorBody is an error that HCX could not write as JSON:
// <entries><entry><string>…</string></entry></entries>.
type xmlErrorBody struct {
	XMLName xml.Name `xml:"entries"`
	Texts   []string `xml:"entry>string"`
}

// xmlError returns the texts of an XML error, empty for any other body. The decoder knows
// no entities but the predefined ones, whatever a DTD declares.
func xmlError(body []byte) string {
	if body = bytes.TrimSpace(body); len(body) > maxXML || !bytes.HasPrefix(body, []byte("<")) {
		return ""
	}
	decoder := xml.NewDecoder(bytes.NewReader(body))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil } // must be UTF-8, whatever it declares
	var decoded xmlErrorBody
	if decoder.Decode(&decoded) != nil || int(decoder.InputOffset()) != len(body) {
		return ""
	}
	texts := slices.DeleteFunc(decoded.Texts, func(text string) bool { return strings.TrimSpace(text) == "" })
	return strings.Join(texts, ": ")
}
