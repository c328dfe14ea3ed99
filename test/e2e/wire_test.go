package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"session_exporter/simulator"
)

// wire simulates the network between the exporter and an appliance.
type wire struct {
	proxy *toxiproxy.Proxy
	url   string // of the appliance through the proxy
}

var quietWires = sync.OnceFunc(func() { zerolog.SetGlobalLevel(zerolog.Disabled) })

// newWire starts a proxy to an appliance.
func newWire(t *testing.T, a *appliance) *wire {
	t.Helper()
	quietWires()
	upstream := strings.TrimPrefix(a.server.URL(), "https://")
	w := &wire{proxy: newProxy(t, "127.0.0.1:0", upstream)}
	t.Cleanup(func() { w.proxy.Stop() })
	w.url = strings.Replace(a.url, upstream, w.proxy.Listen, 1)
	return w
}

func newProxy(t *testing.T, address, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "wire", address, upstream)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	return proxy
}

// spoil adds a toxic, to the appliance's responses unless its stream is upstream.
func (w *wire) spoil(t *testing.T, toxic string) {
	t.Helper()
	if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
}

// repair closes the connections and replaces the proxy with one that has no toxics. Removing
// a toxic may wait forever for connections that the toxic blocks.
func (w *wire) repair(t *testing.T) {
	t.Helper()
	w.proxy.Stop()
	w.proxy = newProxy(t, w.proxy.Listen, w.proxy.Upstream)
}

// TestWire: network faults begin and end. None of them is a verdict on the credential, and the
// sessions are kept.
func TestWire(t *testing.T) {
	t.Parallel()
	long := withAccount(password)
	long.Faults = []simulator.Fault{{On: simulator.Check, Size: 512 << 10}}
	cases := []struct {
		name     string
		settings simulator.Settings
		toxic    string
		state    string
	}{
		{"reset-peer", withAccount(password), `{"type": "reset_peer", "attributes": {"timeout": 0}}`, "unreachable"},
		{"reset-later", withAccount(password), `{"type": "reset_peer", "attributes": {"timeout": 300}}`, "unreachable"},
		{"drip", withAccount(password), `{"type": "slicer", "attributes": {"average_size": 1, "size_variation": 0, "delay": 1000000}}`, "timeout"},
		{"narrow", long, `{"type": "bandwidth", "attributes": {"rate": 1}}`, "timeout"},
		{"cut-in-the-body", long, `{"type": "limit_data", "attributes": {"bytes": 65536}}`, "unreachable"},
		{"cut-at-once", withAccount(password), `{"type": "limit_data", "attributes": {"bytes": 1}}`, "unreachable"},
		{"black-hole", withAccount(password), `{"type": "timeout", "attributes": {"timeout": 0}}`, "timeout"},
		{"black-hole-there", withAccount(password), `{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}`, "timeout"},
		{"closed-in-silence", withAccount(password), `{"type": "timeout", "attributes": {"timeout": 500}}`, "unreachable"},
		{"latency", withAccount(password), `{"type": "latency", "attributes": {"latency": 300}}`, "valid"},
		{"sliced", withAccount(password), `{"type": "slicer", "attributes": {"average_size": 16, "size_variation": 8, "delay": 10}}`, "valid"},
	}
	wires := make([]*wire, len(cases))
	var endpoints strings.Builder
	up, spoiled := want{"session_up": float64(len(cases)), "session_auth_success": float64(len(cases))}, want{"session_auth_success": float64(len(cases))}
	for i, c := range cases {
		wires[i] = newWire(t, newHCX(t, c.settings))
		fmt.Fprintf(&endpoints, "  - {name: %s, url: %s, module: hcx, credential: account}\n", c.name, wires[i].url)
		spoiled[fmt.Sprintf("session_state{endpoint=%q,state=%q}", c.name, c.state)] = 1
	}
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, password), &endpoints)
	before := x.await(t, up)
	logins := fmt.Sprint(before.series("session_logins_total"))

	for i, c := range cases {
		wires[i].spoil(t, c.toxic)
	}
	x.until(t, func(m metrics) error {
		if verdict := m.sum("session_auth_success"); verdict != float64(len(cases)) {
			t.Errorf("the sum of session_auth_success is %v, want %d throughout", verdict, len(cases))
		}
		for _, c := range cases { // so that those that stay valid have been probed too
			probes := fmt.Sprintf("session_probes_total{endpoint=%q}", c.name)
			if got, least := m.sum(probes), before.sum(probes)+2; got < least {
				return fmt.Errorf("%s is %v, want at least %v", probes, got, least)
			}
		}
		return m.differ(spoiled)
	})
	late := x.until(t, func(m metrics) error {
		const processing = `session_probe_phase_duration_seconds{endpoint="latency",phase="processing"}`
		if got := m.sum(processing); got < .3 {
			return fmt.Errorf("%s is %v, want at least .3", processing, got)
		}
		return nil
	})
	if got := fmt.Sprint(late.series("session_logins_total")); got != logins {
		t.Errorf("the endpoints have logged in again:\nbefore %s\nafter %s", logins, got)
	}

	for _, wire := range wires {
		wire.repair(t)
	}
	x.until(t, func(m metrics) error {
		if verdict := m.sum("session_auth_success"); verdict != float64(len(cases)) {
			t.Errorf("the sum of session_auth_success is %v, want %d throughout", verdict, len(cases))
		}
		return m.differ(up)
	}).check(t, want{"session_logins_total": before.sum("session_logins_total"), "session_login_failures_total": before.sum("session_login_failures_total"), "session_expirations_total": 0})
}

// TestWireAtLogin: network faults during a login, which may leave a session on the appliance. A
// login without a response is not a refusal.
func TestWireAtLogin(t *testing.T) {
	t.Parallel()
	a, b := newHCX(t, withAccount(password)), newDR(t, withAccount(password))
	a.mayLeak, b.mayLeak = true, true // a session whose response is lost cannot be logged out
	truncated, reset := newWire(t, a), newWire(t, b)
	truncated.spoil(t, `{"type": "limit_data", "attributes": {"bytes": 1300}}`)
	reset.spoil(t, `{"type": "reset_peer", "attributes": {"timeout": 100}}`)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
  other: {username: %[1]s, password_file: %[2]q}
endpoints:
  - {name: a, url: %[3]s, module: hcx, credential: account}
  - {name: b, url: %[4]s, module: dr, credential: other}
`, user, secretFile(t, password), truncated.url, reset.url)
	x.await(t, want{`session_state{state="unreachable"}`: 2, "session_up": 0, "session_auth_success": absent})
	x.awaitProbes(t, "a", 2).check(t, want{
		"session_auth_success": absent, "session_login_suspended": 0, `session_exporter_credential_refusals_total`: 0,
	})
	truncated.repair(t)
	reset.repair(t)
	x.await(t, want{"session_up": 2, "session_auth_success": 2, "session_exporter_sessions_held": 2})
	if stats := a.Stats(); stats.Refusals > 0 || stats.Locked > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}
