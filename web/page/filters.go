package page

import (
	"maps"
	"slices"
	"strings"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// maxChoices limits the labels in the filter form. A longer list is of no use, and the text
// filter matches labels too.
const maxChoices = 200

// filterView is a filter with the link that removes it, and its parameter and argument in the
// query.
type filterView struct{ Name, Value, Link, Parameter, Argument string }

// labelView is a label with the link that adds its filter.
type labelView struct{ Name, Value, Link string }

// choice is a label with all of its values.
type choice struct {
	Name   string
	Values []string
}

// count is the number of endpoints in a state, of all endpoints, or of the failing ones, with
// a link to them.
type count struct {
	Text    string
	Kind    sessionapi.Kind
	Number  int
	Link    string
	Current bool
}

type columnView struct {
	Key, Title, Link, Direction string
}

// filters returns the filters by label, credential and module.
func (s *Selection) filters() []filterView {
	var views []filterView
	for i, label := range s.Labels {
		name, value, _ := strings.Cut(label, "=")
		remove := s.link(func(s *Selection) { s.Labels = slices.Delete(slices.Clone(s.Labels), i, i+1) })
		views = append(views, filterView{name, value, remove, "label", label})
	}
	if s.Credential != "" {
		remove := s.link(func(s *Selection) { s.Credential = "" })
		views = append(views, filterView{"credential", s.Credential, remove, "credential", s.Credential})
	}
	if s.Module != "" {
		remove := s.link(func(s *Selection) { s.Module = "" })
		views = append(views, filterView{"module", s.Module, remove, "module", s.Module})
	}
	return views
}

// Clear returns the link that removes all filters.
func (s *Selection) Clear() string {
	return s.link(func(s *Selection) { *s = Selection{Sort: s.Sort} })
}

// Regroup returns the link that groups similar endpoints again, empty if they are grouped.
func (s *Selection) Regroup() string {
	if !s.Ungrouped {
		return ""
	}
	return s.link(func(s *Selection) { s.Ungrouped = false })
}

// labelLinks returns an endpoint's labels with links that add them as filters.
func (s *Selection) labelLinks(labels map[string]string) []labelView {
	var views []labelView
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		link := s.link(func(s *Selection) {
			s.Labels = append(slices.Clone(s.Labels), name+"="+labels[name])
		})
		views = append(views, labelView{name, labels[name], link})
	}
	return views
}

// labelChoices returns the labels of all endpoints, nil if there are more than maxChoices.
func labelChoices(all []collector.Overview) []choice {
	pairs := make(map[[2]string]bool)
	for i := range all {
		for name, value := range all[i].Endpoint.Labels {
			pairs[[2]string{name, value}] = true
		}
		if len(pairs) > maxChoices {
			return nil
		}
	}
	var choices []choice
	for _, p := range slices.SortedFunc(maps.Keys(pairs), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		name, value := p[0], p[1]
		if last := len(choices) - 1; last < 0 || choices[last].Name != name {
			choices = append(choices, choice{Name: name})
		}
		last := &choices[len(choices)-1]
		last.Values = append(last.Values, value)
	}
	return choices
}

// counts counts all endpoints, regardless of the selection. The first count is the
// total, the second the failing ones.
func (s *Selection) counts(all []collector.Overview) []count {
	numbers, failed := CountStates(all), 0
	rejected := make(map[sessionapi.State]bool)
	for i := range all {
		if all[i].Rejected {
			rejected[all[i].State] = true
		}
	}
	for state, number := range numbers {
		if isFailing(state) {
			failed += number
		}
	}
	counts := []count{s.count("all", "", len(all)), s.count(failing, failing, failed)}
	for _, state := range sessionapi.States() {
		if numbers[state] > 0 || slices.Contains(s.States, string(state)) {
			c := s.count(string(state), string(state), numbers[state])
			c.Kind = newStateView(state, rejected[state]).Kind
			counts = append(counts, c)
		}
	}
	return counts
}

// CountStates returns the number of endpoints in each state, including zeros.
func CountStates(all []collector.Overview) map[sessionapi.State]int {
	numbers := make(map[sessionapi.State]int)
	for _, state := range sessionapi.States() {
		numbers[state] = 0
	}
	for i := range all {
		numbers[all[i].State]++
	}
	return numbers
}

func (s *Selection) count(text, state string, number int) count {
	var states []string
	if state != "" {
		states = []string{state}
	}
	return count{
		Text: text, Number: number, Current: slices.Equal(s.States, states),
		Link: s.link(func(s *Selection) { s.States = states }),
	}
}

func (s *Selection) columns() []columnView {
	current, _ := findColumn(s.Sort)
	views := make([]columnView, len(columns))
	for i, c := range columns {
		v := columnView{Key: c.key, Title: c.title}
		to := c.first
		switch {
		case c.key != current.key:
		case strings.HasPrefix(s.Sort, "-"):
			v.Direction, to = "descending", c.key
		default:
			v.Direction, to = "ascending", "-"+c.key
		}
		if to == columns[0].key {
			to = "" // the default order
		}
		v.Link = s.link(func(s *Selection) { s.Sort = to })
		views[i] = v
	}
	return views
}
