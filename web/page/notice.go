package page

import (
	"fmt"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// notice is the message that a page shows after a form was submitted.
type notice struct {
	Text  string
	Kind  sessionapi.Kind
	Until time.Time // when to try again, zero if there is no such time
}

// maxProbedAge is the maximum time since the start of a probe that a notice calls "just now".
// It exceeds the 30 s that a request for a probe waits.
const maxProbedAge = time.Minute

// newNotice returns the notice of a key, nil for none. The URL has only the key, so that a
// link cannot put other text on the page. status is the status of the page's endpoint, nil on
// the overview.
func newNotice(key string, status *collector.Status) *notice {
	switch {
	case key == "resumed":
		return &notice{Text: "Logins resumed: the secret is tried again immediately.", Kind: sessionapi.KindOK}
	case key == "waiting":
		return &notice{Text: "The probe is still running. Its result will appear here.", Kind: sessionapi.KindUnknown}
	case key == "probed" && status != nil && time.Since(status.LastProbe) < maxProbedAge:
		text := fmt.Sprintf("Probed just now: %s.", status.State)
		if latency := latencyText(status); latency != "" {
			text = fmt.Sprintf("Probed just now: %s (%s).", status.State, latency)
		}
		return &notice{Text: text, Kind: newStateView(status.State, status.Rejected).Kind}
	default:
		return nil
	}
}

func newNothingSent(why string, until time.Time) *notice {
	n := &notice{Text: "Nothing was sent: " + why + ".", Kind: sessionapi.KindTrouble}
	if until.After(time.Now()) {
		n.Until = until
	}
	return n
}
