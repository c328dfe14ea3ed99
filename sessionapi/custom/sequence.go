package custom

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// maxKeptValue limits the length of a kept value: it may become a header.
const maxKeptValue = 16 << 10

// sequence is a login or a check of several requests in progress. It implements
// sessionapi.Sequence.
type sequence struct {
	*API
	step   sessionapi.Step
	steps  []step
	at     int    // the index of the current one
	origin string // of the endpoint

	kept    map[string]string
	cookies sessionapi.Jar // that responses set, as SessionCookies chooses them

	expiry   time.Time // in the last response that has one
	expiryOf string

	// Of a login.
	parts        []string // of the session, from the last responses that have them
	sentPassword bool     // a request with the password was sent
	exists       bool     // a session exists: the password was accepted, or a part came after it was sent
	unsendable   bool     // a part of the session cannot be presented
}

// Sequence implements sessionapi.Sequencer.
func (a *API) Sequence(step sessionapi.Step, base *url.URL) sessionapi.Sequence {
	if step == sessionapi.Login && !a.loginSteps || step != sessionapi.Login && !a.checkSteps {
		return nil
	}
	s := a.begin(step)
	s.origin, s.kept, s.parts = base.Scheme+"://"+base.Host, make(map[string]string), make([]string, len(a.session))
	return s
}

// begin returns a sequence of the requests of a step, even if there is only one or none.
func (a *API) begin(step sessionapi.Step) *sequence {
	s := &sequence{API: a, step: step, steps: a.check}
	switch step {
	case sessionapi.Login:
		s.steps = a.login
	case sessionapi.Logout:
		s.steps = a.logout
	}
	return s
}

// Number implements sessionapi.Sequence.
func (s *sequence) Number() (at, of int) { return s.at + 1, len(s.steps) }

// Advance implements sessionapi.Sequence.
func (s *sequence) Advance() bool {
	if s.at == len(s.steps)-1 {
		return false
	}
	s.at++
	return true
}

// CarriesSecret implements sessionapi.Sequence.
func (s *sequence) CarriesSecret() bool {
	return s.step == sessionapi.Login && s.steps[s.at].carriesSecret()
}

// Secrets implements sessionapi.Sequence.
func (s *sequence) Secrets() []secret.Secret {
	var all []secret.Secret
	for _, value := range s.kept {
		if secret.MayBeSecret(value) {
			all = append(all, secret.New(value))
		}
		if strings.Contains(value, "/") {
			all = append(all, pathSecrets(value)...)
		}
	}
	return all
}

// Extend implements sessionapi.Sequence: it adds the cookies that responses have set so far.
// A login presents the parts of its session as soon as it has them.
func (s *sequence) Extend(a sessionapi.Authorization) sessionapi.Authorization {
	if s.step == sessionapi.Login {
		own := slices.DeleteFunc(slices.Clone(s.cookies), func(c sessionapi.Cookie) bool { return !s.IsSessionCookie(c.Name) })
		session := s.AuthorizeWith(sessionapi.JoinSession(s.parts), own)
		a.Headers = append(session.Headers, a.Headers...) // HTTP Basic comes last, so that it is sent
		a.Cookies = session.Cookies
		a.Secrets = append(a.Secrets, session.Secrets...)
	}
	if len(s.cookies) > 0 {
		a.Cookies = a.Cookies.With(s.presentable())
	}
	return a
}

// presentable returns the cookies under the names by which requests carry them.
func (s *sequence) presentable() (all sessionapi.Jar) {
	if s.keepsCookies {
		return s.cookies
	}
	for i := range s.session {
		if part := &s.session[i]; part.to == inCookie {
			all = append(all, cookiesOf(s.cookies, part)...)
		}
	}
	return all
}

// SessionCookies implements sessionapi.CookieAuthorizer: it adds the response's cookies to
// those of earlier responses, and returns all.
func (s *sequence) SessionCookies(response sessionapi.Response) []sessionapi.Cookie {
	s.cookies = s.cookies.With(s.API.SessionCookies(response))
	return s.cookies
}

// Interpret implements sessionapi.API. A body that is not JSON is ignored if
// the response has all values without it.
func (s *sequence) Interpret(step sessionapi.Step, response sessionapi.Response) sessionapi.Interpretation {
	return s.interpret(step, response, s)
}

// succeeded reports whether a status means success.
func (s *sequence) succeeded(response sessionapi.Response) bool {
	if success := s.steps[s.at].success; success != nil {
		return slices.Contains(success, response.Status)
	}
	return response.OK()
}

// keepExpiry keeps the expiry of a response. A response without one inherits the earlier one.
func (s *sequence) keepExpiry(in *sessionapi.Interpretation) {
	if in.Expiry.IsZero() {
		in.Expiry, in.ExpiryOf = s.expiry, s.expiryOf
	}
	s.expiry, s.expiryOf = in.Expiry, in.ExpiryOf
}

func (s *sequence) isLast() bool { return s.at == len(s.steps)-1 }

// collect keeps the values and the parts of the session that a response has. missing
// describes what the response lacks for a success; found is set if it has any value or part.
func (s *sequence) collect(ev *evaluator, body any) (missing string, found bool) {
	response := ev.response
	s.sentPassword = s.sentPassword || s.CarriesSecret()
	if s.step == sessionapi.Login {
		own := sessionapi.Jar(nil).With(s.API.SessionCookies(response))
		for i := range s.session {
			part := &s.session[i]
			switch value := valueOf(part, response, body, own); {
			case value == "":
			case !httpguts.ValidHeaderFieldValue(value):
				s.unsendable = true
			default:
				s.parts[i] = value
				found, s.exists = true, s.exists || s.sentPassword && part.to != inPath
			}
			if s.parts[i] == "" && !part.optional && missing == "" && s.isLast() {
				missing = "it has no session in its " + describeSources(part)
			}
		}
	}
	switch {
	case !s.succeeded(response):
		return missing, found
	case s.unsendable:
		return "its session token has characters that no HTTP header can carry", found
	}
	for _, kept := range s.steps[s.at].keep {
		value, known := ev.scalar(kept.value)
		switch {
		case ev.in.State != "" && !ev.malformed: // the expression failed
			return missing, found
		case !known:
			return "it has no value for `" + kept.value.name + "`", found
		case len(value) > maxKeptValue:
			return "its value for `" + kept.value.name + "` is longer than 16 KiB", found
		case !httpguts.ValidHeaderFieldValue(value):
			return "its value for `" + kept.value.name + "` has characters that no HTTP header can carry", found
		}
		s.kept[kept.name], found = value, true
	}
	return missing, found
}

// token returns the session that exists after the current response. partial is set for one
// with a part that is missing or cannot be sent.
func (s *sequence) token(valid bool) (token secret.Secret, partial bool) {
	s.exists = s.exists || valid && s.sentPassword
	if s.unsendable {
		return token, true
	}
	for i := range s.session {
		if s.parts[i] == "" && !s.session[i].optional {
			return token, s.exists && strings.Join(s.parts, "") != ""
		}
	}
	if !s.exists {
		return token, false
	}
	return sessionapi.JoinSession(s.parts), false
}

// Session implements sessionapi.Sequence.
func (s *sequence) Session() (token secret.Secret, partial bool, cookies []sessionapi.Cookie) {
	token, partial = s.token(false)
	return token, partial, s.cookies
}
