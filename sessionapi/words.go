package sessionapi

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

const unusableWords = `locked|lock ?out|disabled|deactivated|inactive|suspended|revoked|blocked|banned|expired`

// The words of codes and messages, matched without case and punctuation: see
// plainWords.
var (
	// refusedLogin matches words that only a refused login has.
	refusedLogin = regexp.MustCompile(unusableWords +
		`|(wrong|incorrect|invalid|bad|unknown|unrecognized) (the )?(auth\w* )?(credential|password|pass ?phrase|pass ?code|user|login|logon|account)` +
		`|(credential|password|pass ?phrase|pass ?code|user ?name|user|login|logon|sign ?in|account)s? (\w+ ){0,3}?(wrong|incorrect|invalid|not valid|not correct|mismatch|not match|not found|not exist|unknown|denied|fail\w*|rejected|refused|unsuccessful)` +
		`|(auth|authentication) (was |has |is )?(fail|error|denied|reject|refus|unsuccess)` +
		`|(login|logon|sign ?in|authentication|password|failed|too many) (\w+ )?attempt` +
		`|not (be )?authenticated|unauthenticated|(cannot|can t|unable to|failed to|could not) (authenticate|log ?in|log ?on|sign ?in|validate (the |your )?credential)`)
	// unusable matches words about an account that cannot log in even with the right
	// password.
	unusable = regexp.MustCompile(unusableWords)
	// wrongSecret matches words about a wrong username or password, or about the grant that an
	// authorization server calls invalid instead.
	wrongSecret = regexp.MustCompile(`(wrong|incorrect|invalid|bad) (the )?(auth\w* )?(credential|password|pass ?phrase|pass ?code|user)` +
		`|(credential|password|pass ?phrase|pass ?code|user ?name|user|grant|token)s? (\w+ ){0,3}?(wrong|incorrect|invalid|not valid|not correct|mismatch|not match)`)
	// wrongAttempts matches the reason why an account is locked.
	wrongAttempts = regexp.MustCompile(`(wrong|incorrect|invalid|bad|failed) (\w+ ){1,2}?attempts?`)
	// notAllowed matches words about an account that lacks a permission.
	notAllowed = regexp.MustCompile(`privilege|permission|entitle|(insufficient|missing|lack\w*|no) (access )?(right|role|scope)`)
	// unexplained matches words of a refusal without a reason.
	unexplained = regexp.MustCompile(`unauthori[sz]ed|not authori[sz]ed|denied|refused|rejected`)
)

// LoginState returns what the code and the message of a failed login mean:
// CredentialsRejected, Forbidden, or empty if they leave that to the status and to
// state, the meaning of the API's code.
func (in *Interpretation) LoginState(status int, state State) State {
	words := in.words()
	meaning := wordsState(words)
	switch {
	// Words alone mean Forbidden only in a 403 with a code that has no meaning of its own.
	case meaning == Forbidden && (state != "" || status != http.StatusForbidden || !in.HasCode(status)):
		return ""
	case state == Forbidden && !refusedLogin.MatchString(words):
		return ""
	}
	return meaning
}

// AccountUnusable reports whether a refusal says that the account or its password is, or may
// be, locked, disabled or expired.
func (in *Interpretation) AccountUnusable() bool { return unusable.MatchString(in.words()) }

// SecretWrong reports whether a refusal says that the username or the password is, or may be,
// wrong. Some APIs say both: "credentials incorrect or account locked".
func (in *Interpretation) SecretWrong() bool {
	return wrongSecret.MatchString(wrongAttempts.ReplaceAllString(in.words(), ""))
}

// HasCode reports whether the response has an error code that says more than its status.
func (in *Interpretation) HasCode(status int) bool {
	words := plainWords(in.Code)
	return words != "" && words != strconv.Itoa(status) && words != plainWords(http.StatusText(status))
}

func (in *Interpretation) words() string { return plainWords(in.Code) + " | " + plainWords(in.Message) }

// wordsState returns what the words of a failed login mean: CredentialsRejected,
// Forbidden, or nothing.
func wordsState(words string) State {
	switch {
	case refusedLogin.MatchString(words):
		return CredentialsRejected
	case notAllowed.MatchString(words):
		return Forbidden
	case unexplained.MatchString(words):
		return CredentialsRejected
	}
	return ""
}

// plainWords returns the words of a text in lower case, with one space between them:
// USER_LOCKED_OUT, UserLockedOut and "User locked out!" all become "user locked out".
func plainWords(text string) string {
	var b strings.Builder
	space, lower := false, false // a space is due; the last was a lower-case letter or a digit
	for _, r := range text[:min(len(text), maxSearched)] {
		isUpper := r >= 'A' && r <= 'Z'
		switch {
		case isUpper, r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			if (space || isUpper && lower) && b.Len() > 0 {
				b.WriteByte(' ')
			}
			if isUpper {
				r += 'a' - 'A'
			}
			b.WriteRune(r)
			space, lower = false, !isUpper
		default:
			space = true
		}
	}
	return b.String()
}

// maxSearched is the size of the part of a text that is searched for words, in bytes.
const maxSearched = 1 << 10
