package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

// failing stands, in a query, for every state but valid and unknown.
const failing = "failing"

// selection is which endpoints a request wants to see, and in which order. The
// page and the JSON take the same.
type selection struct {
	query  string   // words that must all be found
	states []string // any of them; none for all
	labels []string // NAME=VALUE; of each name any
	sort   string   // a column's key, with "-" in front for the other way round
	page   int      // from 1
}

func parseSelection(values url.Values) (*selection, error) {
	s := &selection{query: strings.TrimSpace(values.Get("q")), sort: values.Get("sort"), page: 1}
	for _, state := range values["state"] {
		switch {
		case state == "": // a form's "any"
		case state != failing && !slices.Contains(probe.States(), probe.State(state)):
			return nil, fmt.Errorf("there is no state %q", state)
		default:
			s.states = append(s.states, state)
		}
	}
	for _, label := range values["label"] {
		switch {
		case label == "" || slices.Contains(s.labels, label):
		case !strings.Contains(label, "="):
			return nil, errors.New("a label filter looks like label=NAME=VALUE")
		default:
			s.labels = append(s.labels, label)
		}
	}
	if _, known := columnOf(s.sort); !known {
		return nil, fmt.Errorf("there is no order %q", s.sort)
	}
	if text := values.Get("page"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 {
			return nil, errors.New("the page must be a number from 1")
		}
		s.page = number
	}
	return s, nil
}

// values is the selection as a query again.
func (s *selection) values() url.Values {
	values := url.Values{}
	if s.query != "" {
		values.Set("q", s.query)
	}
	if len(s.states) > 0 {
		values["state"] = s.states
	}
	if len(s.labels) > 0 {
		values["label"] = s.labels
	}
	if s.sort != "" {
		values.Set("sort", s.sort)
	}
	if s.page > 1 {
		values.Set("page", strconv.Itoa(s.page))
	}
	return values
}

// link leads, from the page, to the selection as change leaves it.
func (s *selection) link(change func(*selection)) string {
	other := *s
	change(&other)
	if query := other.values().Encode(); query != "" {
		return "./?" + query
	}
	return "./"
}

// narrowed reports whether the selection leaves something out.
func (s *selection) narrowed() bool {
	return s.query != "" || len(s.states) > 0 || len(s.labels) > 0
}

// of returns those of all endpoints that are selected, in order.
func (s *selection) of(all []collector.Overview) []*collector.Overview {
	words := strings.Fields(strings.ToLower(s.query))
	wanted := make(map[string][]string)
	for _, label := range s.labels {
		name, value, _ := strings.Cut(label, "=")
		wanted[name] = append(wanted[name], value)
	}
	selected := make([]*collector.Overview, 0, len(all))
	for i := range all {
		if o := &all[i]; s.hasState(o.State) && hasLabels(o, wanted) && hasWords(o, words) {
			selected = append(selected, o)
		}
	}
	column, _ := columnOf(s.sort)
	way := 1
	if strings.HasPrefix(s.sort, "-") {
		way = -1
	}
	slices.SortFunc(selected, func(a, b *collector.Overview) int {
		if order := column.compare(a, b); order != 0 {
			return way * order
		}
		return cmp.Compare(a.Endpoint.Name, b.Endpoint.Name) // no two have the same
	})
	return selected
}

func (s *selection) hasState(state probe.State) bool {
	return len(s.states) == 0 || slices.Contains(s.states, string(state)) ||
		(slices.Contains(s.states, failing) && isFailing(state))
}

func isFailing(state probe.State) bool { return state != probe.Valid && state != probe.Unknown }

func hasLabels(o *collector.Overview, wanted map[string][]string) bool {
	for name, values := range wanted {
		if !slices.Contains(values, o.Endpoint.Labels[name]) {
			return false
		}
	}
	return true
}

// hasWords looks for each word in whatever names the endpoint.
func hasWords(o *collector.Overview, words []string) bool {
	if len(words) == 0 {
		return true
	}
	e := o.Endpoint
	var text strings.Builder
	for _, part := range []string{e.Name, e.URL.String(), string(o.State), e.Credential.Name, e.Module, e.API} {
		text.WriteString(part)
		text.WriteByte('\n')
	}
	for name, value := range e.Labels {
		text.WriteString(name + "=" + value + "\n")
	}
	haystack := strings.ToLower(text.String())
	for _, word := range words {
		if !strings.Contains(haystack, word) {
			return false
		}
	}
	return true
}

// column is one by which the page is sorted.
type column struct {
	key     string
	title   string
	compare func(a, b *collector.Overview) int
	// direction is that of compare, as aria-sort names it.
	direction string
}

// columns are all of them. What people look for first comes first: what fails,
// what changed, what is old, what is slow.
var columns = []column{
	{"state", "State", compareState, "ascending"},
	{"name", "Endpoint", func(a, b *collector.Overview) int { return cmp.Compare(a.Endpoint.Name, b.Endpoint.Name) }, "ascending"},
	{"since", "Since", func(a, b *collector.Overview) int { return b.Since.Compare(a.Since) }, "descending"},
	{"latency", "Latency", func(a, b *collector.Overview) int { return cmp.Compare(b.Duration, a.Duration) }, "descending"},
	{"last", "Last probe", func(a, b *collector.Overview) int { return a.LastProbe.Compare(b.LastProbe) }, "ascending"},
}

// columnOf returns the column that an order names; the first when it names none.
func columnOf(order string) (*column, bool) {
	key := cmp.Or(strings.TrimPrefix(order, "-"), columns[0].key)
	for i := range columns {
		if columns[i].key == key {
			return &columns[i], true
		}
	}
	return nil, false
}

// compareState has what fails first, and of that what broke last. What was not
// probed yet comes before what is well.
func compareState(a, b *collector.Overview) int {
	var recent int
	if isFailing(a.State) && isFailing(b.State) {
		recent = b.Since.Truncate(time.Second).Compare(a.Since.Truncate(time.Second))
	}
	return cmp.Or(cmp.Compare(urgency(a.State), urgency(b.State)), recent)
}

func urgency(state probe.State) int {
	switch state {
	case probe.Valid:
		return 2
	case probe.Unknown:
		return 1
	default:
		return 0
	}
}
