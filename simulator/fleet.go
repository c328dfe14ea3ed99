package simulator

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// A Fleet is the cast of a demonstration: healthy appliances and one that is
// broken in each way, some of which change while one watches. Each is a server
// of its own on 127.0.0.1; all certificates are of one CA.
type Fleet struct {
	ca      *CA
	dir     string
	members []*Member
}

// A Member is one appliance of a fleet.
type Member struct {
	Name      string // also its endpoint's in Fleet.Config
	API       string // hcx or dr
	Story     string // for people: what goes wrong and when
	URL       string // for a configuration: with the base path, for dr
	Appliance *Appliance

	part   part
	server *Server
	file   string // where its secret is published
	secret string // the next to publish; used only by NewFleet and then by Run
}

// NewFleet starts a fleet. dir is an existing folder, for the secrets' files,
// that is the fleet's until Close.
func NewFleet(dir string) (*Fleet, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	ca, err := NewCA()
	if err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	f := &Fleet{ca: ca, dir: dir}
	shared := map[string]string{} // secrets by credential
	for _, p := range cast() {
		if err := f.join(p, shared); err != nil {
			f.Close()
			return nil, fmt.Errorf("starting %s: %w", p.name, err)
		}
	}
	return f, nil
}

// join starts the appliance of a part, gives it a credential, and publishes the
// secret. Members that share a credential get the first one's secret.
func (f *Fleet) join(p part, shared map[string]string) error {
	m := &Member{Name: p.name, Story: p.story, part: p, file: filepath.Join(f.dir, p.credential())}
	if p.dr() {
		m.API, m.Appliance = "dr", NewDR(p.base, p.settings)
	} else {
		m.API, m.Appliance = "hcx", NewHCX(p.settings)
	}
	if known, ok := shared[p.credential()]; ok {
		m.secret = known
		setPassword(m.Appliance, known)
	} else {
		m.secret = p.secret(m.Appliance)
		shared[p.credential()] = m.secret
		if err := publishSecret(m); err != nil {
			return err
		}
	}
	var opts ServerOptions
	if p.expired {
		opts.NotAfter = time.Now().Add(-24 * time.Hour)
	}
	server, err := f.ca.Serve(m.Appliance, "127.0.0.1:0", opts)
	if err != nil {
		return err
	}
	m.server, m.URL = server, server.URL()+p.base
	f.members = append(f.members, m)
	return nil
}

// Members returns the fleet's appliances, the healthy ones first. The slice is
// the fleet's.
func (f *Fleet) Members() []*Member { return f.members }

// Close stops all servers. Run must have ended.
func (f *Fleet) Close() {
	for _, m := range f.members {
		m.server.Close()
	}
}

// Run plays every member's script until ctx ends, and then returns nil. If a
// step fails (a secret's file cannot be written, a port is taken), it stops all
// scripts and returns the error.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(f.members))
	var players sync.WaitGroup
	for i, m := range f.members {
		if len(m.part.script) == 0 {
			continue
		}
		players.Go(func() {
			if err := m.play(ctx); err != nil {
				failures[i] = fmt.Errorf("playing %s: %w", m.Name, err)
				cancel()
			}
		})
	}
	<-ctx.Done()
	players.Wait()
	return errors.Join(failures...)
}

// play repeats the member's script until ctx ends or a step fails. Steps are
// due by the clock since the start, so that scripts do not drift.
func (m *Member) play(ctx context.Context) error {
	for cycle := time.Now(); ; cycle = cycle.Add(m.part.period) {
		for _, step := range m.part.script {
			timer := time.NewTimer(time.Until(cycle.Add(step.at)))
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-timer.C:
			}
			if err := step.do(m); err != nil {
				return err
			}
		}
	}
}
