package probe

import (
	"time"

	"session_exporter/config"
)

// leave is the guard's leave to send a secret. It must be ended.
type leave struct {
	guard  *guard
	own    *patience
	epoch  int
	secret config.Secret
	beside int // how many were under way with it, itself included
	free   func()
	slow   *time.Timer
	lent   bool // to the fate of what was sent, which gives it back
	// late is what was found when that is over, nil where the probe itself found it.
	late *finding
}

// judge tells the guard how a login ended.
func (l *leave) judge(v Verdict) { l.guard.record(v, l) }

// again reports whether the secret may be sent once more, after it was refused.
func (l *leave) again() bool {
	l.guard.mu.Lock()
	defer l.guard.mu.Unlock()
	return l.epoch == l.guard.epoch && l.guard.refusals < l.guard.settings.MaxRefusals
}

// end gives the leave back, unless it is lent.
func (l *leave) end() {
	if !l.lent {
		l.giveBack()
	}
}

func (l *leave) giveBack() {
	l.slow.Stop()
	l.free()
}
