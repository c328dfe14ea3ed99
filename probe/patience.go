package probe

import (
	"maps"
	"time"
)

// patience is an endpoint's own part in the guard, which guards it.
type patience struct {
	epoch    int
	refusals int
	until    time.Time
	unjudged bool // whether the last login was not, or is under way
	// refusal is one that came too late for its probe, and was not told yet.
	refusal *finding
}

// patienceOf returns the patience of an endpoint.
func (g *guard) patienceOf(endpoint string) *patience {
	g.mu.Lock()
	defer g.mu.Unlock()
	own, known := g.patience[endpoint]
	if !known {
		own = new(patience)
		g.prune()
		g.patience[endpoint] = own
	}
	return own
}

// prune makes room for one more patience. Endpoints come and go, and nobody
// tells the guard; one that waits for nothing loses little by a new one. The
// caller holds mu.
func (g *guard) prune() {
	const few = 1000
	switch now := time.Now(); {
	case g.patience == nil:
		g.patience = make(map[string]*patience)
	case len(g.patience) >= max(g.pruneAt, few):
		maps.DeleteFunc(g.patience, func(_ string, p *patience) bool { return !now.Before(p.until) })
		g.pruneAt = 2 * len(g.patience)
	}
}
