package page

import (
	"slices"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

const (
	// groupFrom is the minimum number of selected endpoints for similar ones to be grouped.
	groupFrom = 500
	// minGroup is the size of the smallest group, which would fill a page.
	minGroup = pageLength
	// maxExamples limits the endpoints that a group names.
	maxExamples = 3
)

// groupKey is what similar endpoints have in common. Credential and module are empty for
// endpoints whose credential no other selected endpoint has.
type groupKey struct {
	state              sessionapi.State
	credential, module string
}

// line is what a row of the overview shows: an endpoint, or a group of similar ones.
type line struct {
	first   *collector.Overview // the endpoint, or the first of the group
	key     groupKey
	members []*collector.Overview // nil for a single endpoint
}

func (l *line) isGroup() bool { return l.members != nil }

// groupView is the data of a group's row.
type groupView struct {
	Number             int
	Credential, Module string // empty if the credentials differ
	Rejected           int    // endpoints that refused their credential
	Link               string // to the endpoints
	Examples           []example
	More               int // endpoints that are not among the examples
	Oldest             time.Time
}

type example struct{ Name, Link string }

// group returns the lines of the sorted endpoints. If there are at least groupFrom, sorted by
// state, similar ones share one line, at the position of the first.
func (s *Selection) group(selected []*collector.Overview) []line {
	lines := make([]line, 0, len(selected))
	column, _ := findColumn(s.Sort)
	if s.Ungrouped || column.key != columns[0].key || len(selected) < groupFrom {
		for _, o := range selected {
			lines = append(lines, line{first: o})
		}
		return lines
	}
	users := make(map[string]int)
	for _, o := range selected {
		users[o.Endpoint.Credential.Name]++
	}
	keyOf := func(o *collector.Overview) groupKey {
		if e := o.Endpoint; users[e.Credential.Name] > 1 {
			return groupKey{o.State, e.Credential.Name, e.Module}
		}
		return groupKey{state: o.State}
	}
	sizes := make(map[groupKey]int)
	for _, o := range selected {
		sizes[keyOf(o)]++
	}
	at := make(map[groupKey]int)
	for _, o := range selected {
		key := keyOf(o)
		if sizes[key] < minGroup {
			lines = append(lines, line{first: o})
			continue
		}
		i, exists := at[key]
		if !exists {
			i = len(lines)
			at[key] = i
			lines = append(lines, line{first: o, key: key, members: make([]*collector.Overview, 0, sizes[key])})
		}
		lines[i].members = append(lines[i].members, o)
	}
	return lines
}

func groupRow(sel *Selection, l *line) row {
	bySince := func(a, b *collector.Overview) int { return a.Since.Compare(b.Since) }
	g := &groupView{
		Number: len(l.members), Credential: l.key.credential, Module: l.key.module,
		Oldest: slices.MinFunc(l.members, bySince).Since, More: len(l.members) - maxExamples,
		Link: sel.link(func(s *Selection) {
			s.Ungrouped, s.States = true, []string{string(l.key.state)}
			if l.key.credential != "" {
				s.Credential, s.Module = l.key.credential, l.key.module
			}
		}),
	}
	for _, o := range l.members[:min(maxExamples, len(l.members))] {
		g.Examples = append(g.Examples, example{o.Endpoint.Name, "./" + EndpointLink(o.Endpoint.Name)})
	}
	for _, o := range l.members {
		if o.Rejected {
			g.Rejected++
		}
	}
	return row{
		Group: g, State: newStateView(l.key.state, g.Rejected > 0), Runbook: runbook(l.first), Since: slices.MaxFunc(l.members, bySince).Since,
		Diagnosis: l.key.state.Info().Meaning,
	}
}
