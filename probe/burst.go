package probe

import "time"

// burst is how many logins side by side an account had accepted lately: where
// that many are usual, to wait for those before would only slow down each.
type burst struct {
	began       time.Time
	now, before int // the most in the span that lasts, and in the one before
}

const burstSpan = time.Minute

func (b *burst) note(n int) {
	b.turn()
	b.now = max(b.now, n)
}

func (b *burst) most() int {
	b.turn()
	return max(b.now, b.before)
}

func (b *burst) turn() {
	switch passed := time.Since(b.began); {
	case passed >= 2*burstSpan:
		*b = burst{began: time.Now()}
	case passed >= burstSpan:
		*b = burst{began: time.Now(), before: b.now}
	}
}
