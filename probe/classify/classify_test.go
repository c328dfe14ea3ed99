package classify

import (
	"testing"

	"session_exporter/sessionapi"
)

// The words of codes and messages distinguish a refused login from a malformed one and
// from a missing permission, however they are spelled.
func TestWordsOfLogins(t *testing.T) {
	for _, c := range []struct {
		status        int
		code, message string
		state         sessionapi.State
	}{
		{403, "USER_LOCKED_OUT", "", sessionapi.CredentialsRejected},
		{403, "userLockedOut", "", sessionapi.CredentialsRejected},
		{403, "account-lockout", "", sessionapi.CredentialsRejected},
		{403, "AccountDisabled", "", sessionapi.CredentialsRejected},
		{403, "PasswordExpired", "", sessionapi.CredentialsRejected},
		{403, "ACCOUNT_SUSPENDED", "", sessionapi.CredentialsRejected},
		{400, "BadCredentials", "", sessionapi.CredentialsRejected},
		{400, "INVALID_LOGIN", "", sessionapi.CredentialsRejected},
		{400, "wrong_password", "", sessionapi.CredentialsRejected},
		{400, "LOGON_FAILURE", "", sessionapi.CredentialsRejected},
		{400, "Base.1.0.UnauthorizedLoginAttempt", "", sessionapi.CredentialsRejected},
		{400, "iLO.2.8.LoginAttemptDelayed", "", sessionapi.CredentialsRejected},
		{400, "AUTHENTICATION_FAILED", "", sessionapi.CredentialsRejected},
		{400, "AuthFailure", "", sessionapi.CredentialsRejected},
		{400, "UNAUTHENTICATED", "", sessionapi.CredentialsRejected},
		{422, "E17", "The user name or password is incorrect.", sessionapi.CredentialsRejected},
		{400, "E17", "Cannot complete login due to an incorrect user name or password.", sessionapi.CredentialsRejected},
		{400, "", "The credentials were incorrect or the account specified has been locked.", sessionapi.CredentialsRejected},
		{400, "", "Your account has expired", sessionapi.CredentialsRejected},
		{400, "", "login denied", sessionapi.CredentialsRejected},
		{400, "", "User does not exist", sessionapi.CredentialsRejected},
		{423, "", "Too many failed attempts", sessionapi.CredentialsRejected},
		{403, "ACCESS_DENIED", "", sessionapi.CredentialsRejected},
		{403, "unauthorized", "", sessionapi.CredentialsRejected},
		{403, "403", "", sessionapi.CredentialsRejected},
		{403, "Forbidden", "You do not have permission", sessionapi.CredentialsRejected},
		{403, "", "You do not have permission", sessionapi.CredentialsRejected},
		{403, "NOT_ENOUGH_PRIVILEGES", "", sessionapi.Forbidden},
		{403, "PERMISSION_DENIED", "", sessionapi.Forbidden},
		{403, "289", "The user does not have permission", sessionapi.Forbidden},
		{403, "insufficientRights", "Access denied", sessionapi.Forbidden},
		{403, "NO_PRIVILEGES", "The account is locked", sessionapi.CredentialsRejected},
		{403, "E17", "", sessionapi.BadRequest},
		{400, "E17", "", sessionapi.BadRequest},
		{400, "NO_PRIVILEGES", "", sessionapi.BadRequest},
		{400, "", "authType is invalid", sessionapi.BadRequest},
		{400, "INVALID_JSON", "unexpected token", sessionapi.BadRequest},
		{400, "", "field 'username' is required", sessionapi.BadRequest},
		{423, "", "", sessionapi.BadRequest},
		{409, "USER_LOCKED_OUT", "", sessionapi.BadRequest},
		{404, "USER_LOCKED_OUT", "", sessionapi.InvalidResponse},
		{401, "E17", "", sessionapi.CredentialsRejected},
	} {
		if got := loginState(c.status, sessionapi.Interpretation{Code: c.code, Message: c.message}); got != c.state {
			t.Errorf("%d %q %q: %s, want %s", c.status, c.code, c.message, got, c.state)
		}
	}
}

// A rule of a definition takes precedence over the words of a response. An error code that
// means forbidden does not.
func TestRulesTakePrecedenceOverWords(t *testing.T) {
	locked := sessionapi.Interpretation{State: sessionapi.Forbidden, Code: "E17", Message: "The account is locked"}
	if got := loginState(403, locked); got != sessionapi.CredentialsRejected {
		t.Errorf("a code: %s, want %s", got, sessionapi.CredentialsRejected)
	}
	locked.ByRule = true
	if got := loginState(403, locked); got != sessionapi.Forbidden {
		t.Errorf("a rule: %s, want %s", got, sessionapi.Forbidden)
	}
}
