package page

import (
	"testing"
	"time"

	"session_exporter/sessionapi"
)

// A clock that is more than a minute fast or slow is amber.
func TestSkew(t *testing.T) {
	for skew, want := range map[time.Duration]struct {
		text string
		kind sessionapi.Kind
	}{
		0:                       {"in sync (±1 s)", ""},
		-999 * time.Millisecond: {"in sync (±1 s)", ""},
		time.Second:             {"1 s fast", ""},
		-time.Minute:            {"1 min slow", ""},
		61 * time.Second:        {"1 min 1 s fast", sessionapi.KindTrouble},
		-5 * time.Minute:        {"5 min slow", sessionapi.KindTrouble},
	} {
		if text, kind := skewText(&skew), skewKind(&skew); text != want.text || kind != want.kind {
			t.Errorf("%s: %q and %q, want %q and %q", skew, text, kind, want.text, want.kind)
		}
	}
	if skewText(nil) != "" || skewKind(nil) != "" {
		t.Error("text for an unknown skew")
	}
}
