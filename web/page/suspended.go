package page

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// maxSuspended limits the suspended credentials that the overview explains.
const maxSuspended = 3

// suspended is a credential whose logins the lockout guard holds back at one endpoint or more.
type suspended struct {
	Name      string
	Secret    string // what was refused: "password"
	Endpoints int    // that use the credential
	Reason    string
	Until     time.Time // zero if unknown
	Link      string    // to the credential's endpoints
	example   string    // an endpoint at which logins are held back or the last one was refused
}

// suspended returns the suspended credentials, those with the most endpoints first, at most
// maxSuspended of them, and the number of the others. Reason and time come from an
// endpoint at which logins are held back, or whose last login was refused.
func (s *Site) suspended(sel *Selection, all []collector.Overview, now time.Time) (shown []suspended, more int) {
	entries := make(map[string]*suspended)
	for _, credential := range s.Collector.Credentials() {
		if credential.Suspended {
			entries[credential.Name] = &suspended{Name: credential.Name, Secret: "secret"}
		}
	}
	if len(entries) == 0 {
		return nil, 0
	}
	for i := range all {
		o := &all[i]
		count := func(credential string) {
			if entry := entries[credential]; entry != nil {
				entry.Endpoints++
				entry.Secret = secretKind(o.Endpoint)
				// With a pairing, the other credential may have been refused.
				refused := o.State == sessionapi.CredentialsRejected && o.Endpoint.Pairing == nil
				if o.HeldCredential == credential || refused && entry.example == "" {
					entry.example = o.Endpoint.Name
				}
			}
		}
		own := o.Endpoint.Credential.Name
		count(own)
		if pairing := o.Endpoint.Pairing; pairing != nil && pairing.Local.Name != own {
			count(pairing.Local.Name)
		}
	}
	sorted := slices.SortedFunc(maps.Values(entries), func(a, b *suspended) int {
		return cmp.Or(cmp.Compare(b.Endpoints, a.Endpoints), cmp.Compare(a.Name, b.Name))
	})
	for _, entry := range sorted[:min(len(sorted), maxSuspended)] {
		for _, status := range s.Collector.Statuses(entry.example) {
			switch {
			case status.HeldCredential == entry.Name:
				entry.Reason, entry.Until = status.Result.Diagnosis, status.Result.ResumeAt
			case status.Rejected: // and not probed since
				entry.Reason, entry.Until = status.Result.Diagnosis, status.Result.HeldUntil
			}
		}
		if !entry.Until.After(now) {
			entry.Until = time.Time{}
		}
		entry.Link = sel.link(func(s *Selection) { *s = Selection{Credential: entry.Name} })
		shown = append(shown, *entry)
	}
	return shown, len(sorted) - len(shown)
}
