package page

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
	"session_exporter/config"
	"session_exporter/sessionapi"
)

// failing stands, in a query, for every state except valid and unknown.
const failing = "failing"

// maxLabels limits the label filters: every link on the page repeats them.
const maxLabels = 50

// Selection filters, sorts and pages the endpoints. The overview and the JSON share it.
type Selection struct {
	Query  string   // words, all of which must match
	States []string // one of them must match; empty: all
	Labels []string // NAME=VALUE; for each name, one of its values must match
	// Credential and Module are exact names; empty: all.
	Credential, Module string
	Sort               string // a column's key, with the prefix "-" in descending order
	Ungrouped          bool   // similar endpoints have a row each
	Page               int    // from 1
}

// ParseSelection parses the parameters q, state, label, credential, module, sort, group
// and page of a query.
func ParseSelection(values url.Values) (*Selection, error) {
	s := &Selection{
		Query: strings.TrimSpace(values.Get("q")), Sort: values.Get("sort"), Page: 1,
		Credential: values.Get("credential"), Module: values.Get("module"),
	}
	for _, state := range values["state"] {
		switch {
		case state == "" || slices.Contains(s.States, state):
		case state != failing && !slices.Contains(sessionapi.States(), sessionapi.State(state)):
			return nil, fmt.Errorf("unknown state %q", state)
		default:
			s.States = append(s.States, state)
		}
	}
	for _, label := range values["label"] {
		switch {
		case label == "" || slices.Contains(s.Labels, label): // empty: "any" in the form
		case !strings.Contains(label, "="):
			return nil, errors.New("a label filter must be label=NAME=VALUE")
		case len(s.Labels) == maxLabels:
			return nil, fmt.Errorf("at most %d label filters are supported", maxLabels)
		default:
			s.Labels = append(s.Labels, label)
		}
	}
	if _, known := findColumn(s.Sort); !known {
		return nil, fmt.Errorf("unknown sort order %q", s.Sort)
	}
	switch values.Get("group") {
	case "":
	case "none":
		s.Ungrouped = true
	default:
		return nil, errors.New("group must be none, or absent")
	}
	if text := values.Get("page"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 {
			return nil, errors.New("page must be a number, 1 or more")
		}
		s.Page = number
	}
	return s, nil
}

// values returns the selection as a query.
func (s *Selection) values() url.Values {
	values := url.Values{"state": s.States, "label": s.Labels}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("q", s.Query)
	set("credential", s.Credential)
	set("module", s.Module)
	set("sort", s.Sort)
	if s.Ungrouped {
		values.Set("group", "none")
	}
	if s.Page > 1 {
		values.Set("page", strconv.Itoa(s.Page))
	}
	return values
}

// Back returns the selection as a query, for the web package's redirectBack.
func (s *Selection) Back() string { return s.values().Encode() }

// link returns a link, relative to the overview, to the first page of the selection after
// change, unless change sets another page.
func (s *Selection) link(change func(*Selection)) string {
	other := *s
	other.Page = 1
	change(&other)
	if query := other.values().Encode(); query != "" {
		return "./?" + query
	}
	return "./"
}

// Filtered reports whether the selection has any filter.
func (s *Selection) Filtered() bool {
	return s.Query != "" || len(s.States) > 0 || len(s.Labels) > 0 || s.Credential != "" || s.Module != ""
}

// Apply returns the selected endpoints, sorted.
func (s *Selection) Apply(all []collector.Overview) []*collector.Overview {
	words := strings.Fields(strings.ToLower(s.Query))
	wanted := make(map[string][]string)
	for _, label := range s.Labels {
		name, value, _ := strings.Cut(label, "=")
		wanted[name] = append(wanted[name], value)
	}
	selected := make([]*collector.Overview, 0, len(all))
	for i := range all {
		if o := &all[i]; s.matchesState(o.State) && s.matchesNames(o.Endpoint) && matchesLabels(o, wanted) && matchesText(o, words) {
			selected = append(selected, o)
		}
	}
	column, _ := findColumn(s.Sort)
	sign := 1
	if strings.HasPrefix(s.Sort, "-") {
		sign = -1
	}
	slices.SortFunc(selected, func(a, b *collector.Overview) int {
		if order := column.compare(a, b); order != 0 {
			return sign * order
		}
		return cmp.Compare(a.Endpoint.Name, b.Endpoint.Name) // names are unique
	})
	return selected
}

func (s *Selection) matchesState(state sessionapi.State) bool {
	return len(s.States) == 0 || slices.Contains(s.States, string(state)) ||
		(slices.Contains(s.States, failing) && isFailing(state))
}

func (s *Selection) matchesNames(e *config.Endpoint) bool {
	return (s.Credential == "" || e.Uses(s.Credential)) && (s.Module == "" || e.Module == s.Module)
}

func isFailing(state sessionapi.State) bool {
	return state != sessionapi.Valid && state != sessionapi.Unknown
}

func matchesLabels(o *collector.Overview, wanted map[string][]string) bool {
	for name, values := range wanted {
		if !slices.Contains(values, o.Endpoint.Labels[name]) {
			return false
		}
	}
	return true
}

// matchesText reports whether each word occurs in the endpoint's name, URL, state,
// credential, module, API or labels.
func matchesText(o *collector.Overview, words []string) bool {
	if len(words) == 0 {
		return true
	}
	e := o.Endpoint
	var text strings.Builder
	for _, field := range []string{e.Name, e.URL.String(), string(o.State), e.Credential.Name, e.Module, e.API} {
		text.WriteString(field)
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

// column is a sortable column of the overview.
type column struct {
	key     string
	title   string
	compare func(a, b *collector.Overview) int // in ascending order
	// first is the order to which the column's link leads, unless the rows are already sorted
	// by the column. It puts the rows of interest on top.
	first string
}

// columns are the sortable columns. Rows of interest are those that are failing, recently
// changed, slow, or not probed for a long time.
var columns = []column{
	{"state", "State", compareState, "state"},
	{"name", "Endpoint", func(a, b *collector.Overview) int { return cmp.Compare(a.Endpoint.Name, b.Endpoint.Name) }, "name"},
	{"since", "Since", func(a, b *collector.Overview) int { return a.Since.Compare(b.Since) }, "-since"},
	{"latency", "Latency", func(a, b *collector.Overview) int { return cmp.Compare(a.Duration, b.Duration) }, "-latency"},
	{"last", "Last probe", func(a, b *collector.Overview) int { return a.LastProbe.Compare(b.LastProbe) }, "last"},
}

// findColumn returns the column of a sort order, the first one for the empty order.
func findColumn(order string) (*column, bool) {
	key := cmp.Or(strings.TrimPrefix(order, "-"), columns[0].key)
	for i := range columns {
		if columns[i].key == key {
			return &columns[i], true
		}
	}
	return nil, false
}

// compareState puts failing endpoints first, the most recent failure on top, then
// endpoints that were not probed yet, then valid ones.
func compareState(a, b *collector.Overview) int {
	var recent int
	if isFailing(a.State) && isFailing(b.State) {
		recent = b.Since.Truncate(time.Second).Compare(a.Since.Truncate(time.Second))
	}
	return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), recent)
}

func rank(state sessionapi.State) int {
	switch state {
	case sessionapi.Valid:
		return 2
	case sessionapi.Unknown:
		return 1
	default:
		return 0
	}
}
