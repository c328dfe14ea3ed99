package probe

import (
	"net/http"
	"regexp"

	"session_exporter/config"
)

// dr is the session API of VMware's disaster-recovery REST gateways (Site
// Recovery Manager, Live Site Recovery, vSphere Replication and their
// appliances' configuration APIs), as in "Get Current Session" of their
// references on developer.broadcom.com. The endpoint's URL carries the base
// path, such as /api/rest/srm/v2.
type dr struct{}

const (
	drPath        = "/session"
	drTokenHeader = "X-Dr-Session"
)

func (dr) Spec() Spec {
	return Spec{
		API: config.API{
			Auth:         []config.Auth{config.AuthLogin, config.AuthToken},
			LoginByBasic: true,
			NoRoles:      true, NoOrganizations: true,
			Pairings: true,
		},
		SessionHeader: drTokenHeader,
		OperationID:   "op_id",
	}
}

func (dr) Call(step Step, _ Account) Call {
	switch step {
	case Login:
		return Call{Method: http.MethodPost, Path: drPath, Basic: true}
	case Logout:
		return Call{Method: http.MethodDelete, Path: drPath}
	default:
		return Call{Method: http.MethodGet, Path: drPath}
	}
}

type drBody struct {
	Username  string `json:"username"`
	SessionID string `json:"session_id"`
	ErrorCode string `json:"error_code"`
	Message   string `json:"message"`
	OpID      string `json:"op_id"`
}

func (dr) Read(step Step, answer Answer) Reading {
	reading, body := readJSON[drBody](answer)
	reading.Code, reading.Message, reading.OperationID = body.ErrorCode, body.Message, body.OpID
	reading.ServerTime = dateHeader(answer.Header)
	if step == Login {
		reading.Token = config.NewSecret(body.SessionID)
	}
	if answer.ok() && body.Username != "" {
		reading.Identity = &Identity{Username: body.Username}
	}
	if reading.State == "" {
		reading.State, reading.Why = drMeaning(step, answer, body, reading)
	}
	return reading
}

// drMeaning reads a well-formed or empty body. How the gateways say that there
// is no session is not documented, so each plausible way counts, and is told
// apart in the words.
func drMeaning(step Step, answer Answer, body drBody, reading Reading) (meaning State, why string) {
	if meaning = drCodeMeaning(body.ErrorCode); meaning != "" {
		return meaning, ""
	}
	switch {
	case step == Check && answer.Status == http.StatusBadRequest:
		return SessionExpired, "it does not say that the request is malformed, so it means that there is no session"
	case !answer.ok():
		return "", ""
	case step == Login && reading.Token.IsZero():
		return InvalidResponse, "it has no `session_id`"
	case step == Check && len(answer.Body) == 0:
		return SessionExpired, "its body is empty, so it names no user"
	case step == Check && !reading.Identity.named():
		return SessionExpired, "it names no user"
	case body.ErrorCode != "":
		return ServerError, "it carries an error code beside the user"
	}
	return Valid, ""
}

// drCodeMeanings says what error codes mean by their words. The gateways
// document no values, so no list could be complete.
var drCodeMeanings = []struct {
	words *regexp.Regexp
	state State
}{
	{regexp.MustCompile(`(?i)internal|unavailable|limit|exceed|exhaust|too.?many`), ServerError},
	{regexp.MustCompile(`(?i)bad.?request|malformed|syntax|invalid.?(argument|request|parameter|input|json|body)`), BadRequest},
	{regexp.MustCompile(`(?i)privilege|permission|forbidden|access.?denied`), Forbidden},
	{regexp.MustCompile(`(?i)credential|password|invalid.?login`), CredentialsRejected},
	{regexp.MustCompile(`(?i)session|token|auth|login|logged`), SessionExpired},
}

func drCodeMeaning(code string) State {
	for _, meaning := range drCodeMeanings {
		if meaning.words.MatchString(code) {
			return meaning.state
		}
	}
	return ""
}
