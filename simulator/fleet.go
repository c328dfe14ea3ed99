package simulator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A Fleet is a set of appliances for demonstrations: some are healthy, some have a permanent
// fault, and some change over time. Each has a server of its own on 127.0.0.1; one CA issues
// all certificates.
type Fleet struct {
	ca      *CA
	dir     string
	members []*Member
}

// A Member is one appliance of a fleet.
type Member struct {
	Name      string // also the endpoint's name in Fleet.Config
	API       string // hcx, hcx-hybridity or dr
	Summary   string // one sentence: the behavior, and the times of its changes
	URL       string // for a configuration: includes the base path of dr
	Appliance *Appliance

	spec   memberSpec
	server *Server
	file   string // path of its published secret
	secret string // the next secret to publish; not guarded: used only by NewFleet and then by Run
}

// caFile is the name of the file with the fleet's CA.
const caFile = "ca.pem"

// NewFleet starts a fleet. It writes the CA's certificate and a file for each secret to dir,
// which must exist.
func NewFleet(dir string) (*Fleet, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	ca, err := NewCA()
	if err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, caFile), []byte(ca.PEM()), 0o600); err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	f := &Fleet{ca: ca, dir: dir}
	shared := map[string]string{} // secrets by credential
	for _, spec := range fleetSpecs() {
		if err := f.startMember(spec, shared); err != nil {
			f.Close()
			return nil, fmt.Errorf("starting %s: %w", spec.name, err)
		}
	}
	return f, nil
}

// startMember starts a member and publishes its secret. Members that share a credential
// use the secret of the first of them.
func (f *Fleet) startMember(spec memberSpec, shared map[string]string) error {
	m := &Member{Name: spec.name, Summary: spec.summary, API: spec.api(), spec: spec, file: filepath.Join(f.dir, spec.credential())}
	switch m.API {
	case "dr":
		m.Appliance = NewDR(spec.basePath, spec.settings)
	case "hcx-hybridity":
		m.Appliance = NewHCXHybridity(spec.settings)
	default:
		m.Appliance = NewHCX(spec.settings)
	}
	if known, ok := shared[spec.credential()]; ok {
		m.secret = known
		setPassword(m.Appliance, known)
	} else {
		m.secret = spec.secret(m.Appliance)
		shared[spec.credential()] = m.secret
		if err := publishSecret(m); err != nil {
			return err
		}
	}
	var opts ServerOptions
	if spec.expired {
		opts.NotAfter = time.Now().Add(-24 * time.Hour)
	}
	server, err := f.ca.Serve(m.Appliance, "127.0.0.1:0", opts)
	if err != nil {
		return err
	}
	m.server, m.URL = server, server.URL()+spec.basePath
	f.members = append(f.members, m)
	return nil
}

// Members returns the fleet's appliances, the healthy ones first. The caller must not
// modify the slice.
func (f *Fleet) Members() []*Member { return f.members }

// Close stops all servers. Run must have returned.
func (f *Fleet) Close() {
	for _, m := range f.members {
		m.server.Close()
	}
}

// Run runs the scripts of all members until ctx is done, and then returns nil. If a step
// fails, because a secret's file cannot be written or a port is taken, it stops all scripts
// and returns the error.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(f.members))
	var scripts sync.WaitGroup
	for i, m := range f.members {
		if len(m.spec.script) == 0 {
			continue
		}
		scripts.Go(func() {
			if err := m.runScript(ctx); err != nil {
				failures[i] = fmt.Errorf("running the script of %s: %w", m.Name, err)
				cancel()
			}
		})
	}
	<-ctx.Done()
	scripts.Wait()
	return errors.Join(failures...)
}

// runScript repeats the member's script until ctx is done or a step fails. Steps are due
// relative to the start, so that scripts do not drift.
func (m *Member) runScript(ctx context.Context) error {
	for cycle := time.Now(); ; cycle = cycle.Add(m.spec.period) {
		for _, step := range m.spec.script {
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
