package web

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"session_exporter/collector"
	"session_exporter/probe"
)

// maxChoices is how many labels are offered as filters; more than that is no
// choice any more, and the text filter finds all.
const maxChoices = 200

// selectionView is the selection with its links.
type selectionView struct {
	Query    string
	States   []string
	Sort     string
	Back     string // the whole of it as a query
	Filters  []labelView
	Clear    string
	Narrowed bool
	Choices  []choice
}

// labelView is a label with a link that filters by it, or no longer does.
type labelView struct{ Name, Value, Link string }

// choice are the values that a label has.
type choice struct {
	Name   string
	Values []string
}

// count is how many endpoints are in a state, with a link to these.
type count struct {
	Text    string
	Kind    string
	Number  int
	Link    string
	Current bool
}

type columnView struct {
	Title, Link, Direction string
}

func (s *selection) view(all []collector.Overview) *selectionView {
	v := &selectionView{Query: s.query, States: s.states, Sort: s.sort, Back: s.values().Encode(), Narrowed: s.narrowed()}
	for i, label := range s.labels {
		name, value, _ := strings.Cut(label, "=")
		remove := s.link(func(s *selection) { s.page, s.labels = 1, slices.Delete(slices.Clone(s.labels), i, i+1) })
		v.Filters = append(v.Filters, labelView{name, value, remove})
	}
	v.Clear = s.link(func(s *selection) { *s = selection{sort: s.sort} })
	v.Choices = choices(all)
	return v
}

// linked gives an endpoint's labels links that filter by them too.
func (s *selection) linked(labels map[string]string) []labelView {
	var views []labelView
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		link := s.link(func(s *selection) {
			s.page, s.labels = 1, append(slices.Clone(s.labels), name+"="+labels[name])
		})
		views = append(views, labelView{name, labels[name], link})
	}
	return views
}

// choices are the labels of all endpoints, none when they are too many.
func choices(all []collector.Overview) []choice {
	type pair struct{ name, value string }
	pairs := make(map[pair]bool)
	for i := range all {
		for name, value := range all[i].Endpoint.Labels {
			pairs[pair{name, value}] = true
		}
		if len(pairs) > maxChoices {
			return nil
		}
	}
	var found []choice
	for _, p := range slices.SortedFunc(maps.Keys(pairs), func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value))
	}) {
		if last := len(found) - 1; last < 0 || found[last].Name != p.name {
			found = append(found, choice{Name: p.name})
		}
		last := &found[len(found)-1]
		last.Values = append(last.Values, p.value)
	}
	return found
}

// counts are of all endpoints, whatever is selected: the first is all of them, the
// second those that fail.
func (s *selection) counts(all []collector.Overview) []count {
	numbers, failed := countStates(all), 0
	for state, number := range numbers {
		if isFailing(state) {
			failed += number
		}
	}
	counts := []count{s.count("all", "", len(all)), s.count(failing, failing, failed)}
	for _, state := range probe.States() {
		if numbers[state] > 0 || slices.Contains(s.states, string(state)) {
			c := s.count(string(state), string(state), numbers[state])
			c.Kind = viewOf(state).Kind
			counts = append(counts, c)
		}
	}
	return counts
}

// countStates says of every state how many endpoints are in it.
func countStates(all []collector.Overview) map[probe.State]int {
	numbers := make(map[probe.State]int)
	for _, state := range probe.States() {
		numbers[state] = 0
	}
	for i := range all {
		numbers[all[i].State]++
	}
	return numbers
}

func (s *selection) count(text, state string, number int) count {
	var states []string
	if state != "" {
		states = []string{state}
	}
	return count{
		Text: text, Number: number, Current: slices.Equal(s.states, states),
		Link: s.link(func(s *selection) { s.page, s.states = 1, states }),
	}
}

func (s *selection) columns() []columnView {
	current, _ := columnOf(s.sort)
	views := make([]columnView, len(columns))
	for i, c := range columns {
		v := columnView{Title: c.title}
		to := c.key
		if c.key == current.key {
			v.Direction = c.direction
			if strings.HasPrefix(s.sort, "-") {
				v.Direction = map[string]string{"ascending": "descending", "descending": "ascending"}[c.direction]
			} else {
				to = "-" + c.key
			}
		}
		if to == columns[0].key {
			to = "" // the order that needs no word
		}
		v.Link = s.link(func(s *selection) { s.page, s.sort = 1, to })
		views[i] = v
	}
	return views
}
