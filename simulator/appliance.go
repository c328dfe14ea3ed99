// Package simulator simulates some of the appliances whose sessions the exporter probes:
// VMware HCX Manager (hcx, and hcx-hybridity on port 443) and the disaster-recovery
// gateways (dr), over real TLS sockets, healthy or with configurable faults.
//
// An [Appliance] is an [http.Handler] with accounts, sessions that expire,
// lockouts and [Fault] values: misbehavior as data. A [CA] serves it as a
// [Server], which can be switched off. A [Fleet] is a set of such servers for
// demonstrations, some of which change according to a short script.
//
// Responses are as documented in the vendors' API pages. [Settings] selects and
// documents the behavior that these pages leave open.
//
// The package compares passwords without protection against timing attacks, so
// it is not a base for a real service. It never prints a password or token, never
// connects to another host, and imports only the standard library.
package simulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Operation is a kind of request of a session API.
type Operation string

// The operations. The last two are those of a dr gateway's URL for a [Pairing].
const (
	Check  Operation = "check"
	Login  Operation = "login"
	Logout Operation = "logout"

	RemoteCheck Operation = "remote check"
	RemoteLogin Operation = "remote login"
)

// A resource is a URL, with an operation for each method that it allows.
type resource map[string]Operation

// sessionResource is the URL of a session; remoteResource is that of a pairing.
var (
	sessionResource = resource{http.MethodGet: Check, http.MethodPost: Login, http.MethodDelete: Logout}
	remoteResource  = resource{http.MethodGet: RemoteCheck, http.MethodPost: RemoteLogin}
)

// An Appliance is one simulated appliance: an [http.Handler] with accounts,
// sessions and faults. It is safe for concurrent use.
type Appliance struct {
	dialect   dialect
	base      string              // of dr; pairings are below it
	resources map[string]resource // by path

	mu       sync.Mutex // guards everything below
	settings Settings
	sessions map[string]*session // by token
	locks    map[string]lock     // by username
	stats    Stats               // without Sessions and Locked: Stats computes them
}

// NewHCX returns a simulated VMware HCX Manager, with its appliance management API.
func NewHCX(s Settings) *Appliance {
	return newAppliance(hcx{}, map[string]resource{"/api/admin/v1/sessions": sessionResource}, s)
}

// NewHCXHybridity returns a simulated VMware HCX Manager, with its operations API.
func NewHCXHybridity(s Settings) *Appliance {
	return newAppliance(hcxHybridity{}, hybridityResources, s)
}

// NewDR returns a simulated disaster-recovery gateway. The base path is that of the
// product's API, such as "/api/rest/srm/v2", or empty.
func NewDR(basePath string, s Settings) *Appliance {
	a := newAppliance(dr{}, map[string]resource{basePath + "/session": sessionResource}, s)
	a.base = basePath
	return a
}

func newAppliance(d dialect, resources map[string]resource, s Settings) *Appliance {
	return &Appliance{
		dialect:   d,
		resources: resources,
		settings:  s.clone(),
		sessions:  map[string]*session{},
		locks:     map[string]lock{},
	}
}

// ServeHTTP responds as the appliance does, or as the first applicable fault specifies.
func (a *Appliance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, pairing, rejection := a.route(r)
	// Read the request even if a fault ignores it: only once the body has been read does
	// net/http detect that the client has disconnected, which cancels a fault that waits.
	c := a.dialect.credentials(op, r)
	c.pairing = pairing
	fault, now := a.receive(op)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))

	perform := func() httpResponse {
		if rejection.status != 0 {
			return rejection
		}
		return a.perform(op, c, fault)
	}
	var response httpResponse
	if fault.After {
		response = perform()
	}
	sleep(r.Context(), fault.Delay)
	switch {
	case fault.replaces():
		response = fault.replacement(a.dialect, now)
	case !fault.After:
		response = perform()
	}
	fault.send(w, r, response)
}

// Change changes the settings while the appliance runs. change must not call the
// appliance or keep s. It must replace the slices and the headers of faults instead of
// modifying them.
func (a *Appliance) Change(change func(s *Settings)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.settings)
	// The change may have stored the caller's maps and slices.
	a.settings = a.settings.clone()
}

// Stats returns the counters of the appliance.
func (a *Appliance) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.expireLocked(now)
	stats := a.stats
	stats.Sessions = len(a.sessions)
	for _, l := range a.locks {
		if now.Before(l.until) {
			stats.Locked++
		}
	}
	return stats
}

// route returns the operation of a request, or the rejection of a request for another
// path or method.
func (a *Appliance) route(r *http.Request) (op Operation, pairing string, rejection httpResponse) {
	target := a.resources[r.URL.Path]
	pairing, remote := a.pairingOf(r.URL.Path)
	if remote {
		target = remoteResource
	}
	op, known := target[r.Method]
	switch {
	case target == nil:
		return "", "", httpResponse{status: http.StatusNotFound}
	case !known:
		return "", "", httpResponse{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {strings.Join(slices.Sorted(maps.Keys(target)), ", ")}}}
	}
	return op, pairing, httpResponse{}
}

// receive counts a request and takes the fault that applies to it, the zero Fault for none.
// now is the time by the appliance's clock.
func (a *Appliance) receive(op Operation) (f Fault, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Requests++
	switch op {
	case Check:
		a.stats.Checks++
	case Login:
		a.stats.Attempts++
	}
	return a.settings.takeFault(op), time.Now().Add(a.settings.ClockOffset)
}

// perform performs an operation and returns the response of the API.
func (a *Appliance) perform(op Operation, c credentials, f Fault) httpResponse {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.decideLocked(op, c)
	o.now = time.Now().Add(a.settings.ClockOffset)
	if custom := a.settings.NoSession; op == Check && o.verdict == noSession && custom != (Response{}) {
		return httpResponse{status: custom.Status, body: []byte(custom.Body)}
	}
	if f.DeadToken && op == Login {
		delete(a.sessions, o.token)
	}
	if f.DropToken {
		o.token = ""
	}
	return a.dialect.response(op, o)
}
