package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"session_exporter/config"
)

// logoutTimeout limits the logout of an endpoint that a reload removed or changed, or of an
// ad-hoc target that was dropped, in addition to the time of a probe in flight.
const logoutTimeout = time.Minute

// Apply puts a configuration into effect. newProber creates an endpoint's prober; if it
// fails for any endpoint, nothing changes.
//
// An endpoint of the same name and API keeps its counters. If its settings are the same,
// it keeps its prober; with the same account at the same address, its session. All other
// sessions are logged out.
func (c *Collector) Apply(settings *config.Config, newProber NewProber) error {
	c.applying.Lock()
	defer c.applying.Unlock()
	next, err := c.prepare(settings, newProber)
	if err != nil {
		return err
	}
	c.swapping.Lock()
	defer c.swapping.Unlock()
	if c.stopped {
		return ErrStopped
	}
	c.swapLocked(next)
	return nil
}

// configChange is the difference between the configuration in effect and the next.
type configChange struct {
	applied  *applied
	replaced []replacement
	removed  map[string]watched // by name
}

// replacement is a prober for a target that is kept.
type replacement struct {
	*target
	prober  Prober
	timeout time.Duration // of the probe that may be in flight
}

// prepare creates the probers of the next configuration. It may hang: only another Apply
// waits for it.
func (c *Collector) prepare(settings *config.Config, newProber NewProber) (*configChange, error) {
	next := &configChange{
		applied: &applied{
			config:    settings,
			newProber: newProber,
			byName:    make(map[string]watched, len(settings.Endpoints)),
			families:  newFamilies(settings),
		},
		removed: maps.Clone(c.applied.Load().byName),
	}
	var errs []error
	for _, endpoint := range settings.Endpoints {
		errs = append(errs, c.add(next, endpoint))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("applying %s: %w", settings.Name, err)
	}
	next.applied.caches = newCaches(next.applied)
	return next, nil
}

// add adds an endpoint to the next configuration, with the target that it has now or a
// new one.
func (c *Collector) add(next *configChange, endpoint *config.Endpoint) error {
	old, kept := next.removed[endpoint.Name]
	kept = kept && old.endpoint.API == endpoint.API
	w := watched{old.target, endpoint, endpointLabels(endpoint, next.applied.config.LabelNames), endpointInfo(endpoint)}
	if !kept || !old.endpoint.SameProbe(endpoint) {
		prober, err := next.applied.newProber(endpoint)
		switch {
		case err != nil:
			return err
		case kept:
			next.replaced = append(next.replaced, replacement{old.target, prober, old.endpoint.Timeout})
		default:
			w.target = c.newTarget(endpoint, prober)
		}
	}
	if kept {
		delete(next.removed, endpoint.Name)
	}
	next.applied.watched = append(next.applied.watched, w)
	next.applied.byName[endpoint.Name] = w
	return nil
}

// swapLocked makes the next configuration the one in effect. It waits for no probe.
func (c *Collector) swapLocked(next *configChange) {
	for _, r := range next.replaced {
		r.setReplacement(r.prober)
	}
	c.switchTo(next.applied)
	c.schedule.set(next.applied.watched)
	for _, r := range next.replaced {
		c.logoutAsync(r.timeout, r.installNow)
	}
	for _, w := range next.removed {
		c.logoutRemoved(w)
	}
}

// logoutRemoved logs out of a target that is no longer watched, in the background.
func (c *Collector) logoutRemoved(w watched) {
	c.removed.Store(w.target, nil)
	c.logoutAsync(w.endpoint.Timeout, func(ctx context.Context) error {
		defer c.removed.Delete(w.target)
		return w.close(ctx)
	})
}

// logoutAsync calls logout in the background. A probe in flight, which it has to wait for,
// takes at most probeTimeout.
func (c *Collector) logoutAsync(probeTimeout time.Duration, logout func(context.Context) error) {
	c.logouts.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout+logoutTimeout)
		defer cancel()
		if err := logout(ctx); err != nil {
			c.logger.Warn(sessionMayBeLeft, "err", err)
		}
	})
}
