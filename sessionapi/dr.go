package sessionapi

import (
	"net/http"
	"regexp"

	"session_exporter/secret"
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
		Auth:         []Auth{AuthLogin, AuthToken},
		LoginByBasic: true,
		NoRoles:      true, NoOrganizations: true,
		Pairings:       true,
		URL:            URLHints{BasePath: "/api/rest/srm/v2", Ending: drPath},
		SessionHeaders: []string{drTokenHeader},
		OperationID:    "op_id",
	}
}

func (dr) Request(step Step, _ Account) Request {
	return Request{Method: resourceMethod(step), Path: drPath, Basic: step == Login}
}

type drBody struct {
	Username  string `json:"username"`
	SessionID string `json:"session_id"`
	ErrorCode string `json:"error_code"`
	Message   string `json:"message"`
	OpID      string `json:"op_id"`
}

func (dr) Interpret(step Step, response Response) Interpretation {
	in, body := DecodeJSON[drBody](response)
	in.Code, in.Message, in.OperationID = body.ErrorCode, body.Message, body.OpID
	in.ServerTime = DateHeader(response.Header)
	if step == Login {
		in.Token = secret.New(body.SessionID)
	}
	if response.OK() && body.Username != "" {
		in.Identity = &Identity{Username: body.Username}
	}
	if in.State == "" {
		in.State, in.Why = drMeaning(step, response, body, in)
	}
	return in
}

// drMeaning interprets a well-formed or empty body. The gateways do not document how
// they report a missing session, so every plausible form counts as one, each with its own
// explanation.
func drMeaning(step Step, response Response, body drBody, in Interpretation) (meaning State, why string) {
	if meaning = drCodeMeaning(step, body.ErrorCode); meaning != "" {
		return meaning, ""
	}
	switch {
	case step == Check && response.Status == http.StatusBadRequest:
		return SessionExpired, "it does not report a malformed request, so it means a missing session"
	case !response.OK():
		return "", ""
	case step == Login && in.Token.IsZero():
		return InvalidResponse, "it has no `session_id`"
	case step == Check && len(response.Body) == 0:
		return SessionExpired, "its body is empty, so it names no user"
	case step == Check && !in.Identity.Named():
		return SessionExpired, "it names no user"
	case body.ErrorCode != "":
		return ServerError, "it has both a user and an error code"
	}
	return Valid, ""
}

// drCodeMeanings are the meanings of error codes by their words. The gateways document
// no values, so no list could be complete.
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

func drCodeMeaning(step Step, code string) State {
	if step != Check {
		if state := wordsState(plainWords(code)); state != "" {
			return state // before "exceed": too many login attempts are not the server's limit
		}
	}
	for _, meaning := range drCodeMeanings {
		if !meaning.words.MatchString(code) {
			continue
		}
		if meaning.state == Forbidden && step != Check {
			return "" // a login that is forbidden may be a refused one
		}
		return meaning.state
	}
	return ""
}
