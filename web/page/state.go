package page

import (
	"time"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/sessionapi"
)

// stateView is a state as pages show it: its name, and its kind as a color and an icon, because
// not everyone can distinguish the colors. An icon and a CSS class are named after each kind.
type stateView struct {
	Name    sessionapi.State
	Kind    sessionapi.Kind
	Meaning string
}

// newStateView returns the view of a state. rejected reports whether the endpoint itself
// refused the credential: then a login that is held back looks like the refusal.
func newStateView(state sessionapi.State, rejected bool) stateView {
	info := state.Info()
	view := stateView{state, info.Kind, info.Meaning}
	if rejected {
		view.Kind = sessionapi.KindRefused
	}
	return view
}

// pastKinds returns the kind of each result in an endpoint's history.
func pastKinds(status *collector.Status) []sessionapi.Kind {
	kinds := make([]sessionapi.Kind, len(status.History))
	// The refusal may be older than the history.
	rejected := status.Rejected && len(kinds) > 0 && status.VerdictAt.Before(status.History[0].Start)
	for i, past := range status.History {
		if past.State.Verdict() != sessionapi.Inconclusive {
			rejected = past.State == sessionapi.CredentialsRejected
		}
		if i == len(kinds)-1 {
			rejected = status.Rejected // the refused secret may have been replaced since
		}
		kinds[i] = newStateView(past.State, rejected && past.State == sessionapi.LoginSuspended).Kind
	}
	return kinds
}

// rejection describes the refusal of an endpoint's credential.
type rejection struct {
	Secret string    // what was refused: "password"
	Until  time.Time // when logins resume, zero if they are not held back
}

// newRejection returns nil unless the endpoint refused its credential.
func newRejection(status *collector.Status, now time.Time) *rejection {
	if !status.Rejected {
		return nil
	}
	until := status.Result.HeldUntil
	if status.HeldCredential != "" {
		until = status.Result.ResumeAt
	}
	if !until.After(now) {
		until = time.Time{}
	}
	return &rejection{secretKind(status.Endpoint), until}
}

// secretKind names the kind of secret that an endpoint's credential has.
func secretKind(e *config.Endpoint) string {
	switch {
	case e.Credential.OAuth2 != nil:
		return e.Credential.OAuth2.GrantType.SecretKind()
	case e.Auth == sessionapi.AuthLogin, e.Auth == sessionapi.AuthBasic:
		return "password"
	default:
		return "token"
	}
}
