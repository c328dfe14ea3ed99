package e2e

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDashboardStates: the dashboards show the right text for every state.
func TestDashboardStates(t *testing.T) {
	t.Parallel()
	// Every endpoint has series for all states.
	x := watch(t, `
credentials: {nobody: {token: %s}}
endpoints: [{name: a, url: "https://127.0.0.1:1", module: dr, credential: nobody}]
`, canary)
	var states []string
	for _, series := range x.scrape(t).series("session_state") {
		for _, label := range series.GetLabel() {
			if label.GetName() == "state" {
				states = append(states, label.GetValue())
			}
		}
	}
	slices.Sort(states)
	checked := 0
	check := func(where string, got []string) {
		t.Helper()
		checked++
		slices.Sort(got)
		if !slices.Equal(got, states) {
			t.Errorf("%s has words for\n%v, want\n%v", where, got, states)
		}
	}
	inWords := func(state string) string { return strings.ReplaceAll(strings.ToLower(state), " ", "_") }

	for file, d := range readDashboards(t) {
		for _, p := range d.Panels {
			where := file + ": " + p.Title
			for _, target := range p.Targets {
				if strings.Contains(target.Expr, "* session_state") {
					check(where, p.statesByCode(t, inWords))
				}
			}
			var named []string
			for _, override := range p.FieldConfig.Overrides {
				for _, property := range override.Properties {
					var words string
					var mappings []mapping
					switch {
					case override.Matcher.Options == "State" && property.ID == "mappings":
						if err := json.Unmarshal(property.Value, &mappings); err != nil {
							t.Fatal(err)
						}
						for state, to := range mappings[0].words(t) {
							if inWords(to.Text) == state {
								named = append(named, state)
							}
						}
					case strings.HasPrefix(p.Title, "Endpoints by state") && property.ID == "displayName":
						if err := json.Unmarshal(property.Value, &words); err != nil {
							t.Fatal(err)
						}
						if inWords(words) == override.Matcher.Options {
							named = append(named, inWords(words))
						}
					}
				}
			}
			if named != nil {
				check(where, named)
			}
		}
	}
	// The fleet's table, bars and graph, and an endpoint's stat and timeline.
	if checked != 5 {
		t.Errorf("%d panels have words for states, want 5", checked)
	}
}

// stateColor is the text and the colour of a state in a panel.
type stateColor struct{ Text, Color string }

// stateColors returns the colours of states that a panel has: in mappings of values and, in
// the panels that count states, by the names of series.
func (p panel) stateColors(t *testing.T) (all []stateColor) {
	t.Helper()
	decode := func(raw json.RawMessage, into any) {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	mappings := p.FieldConfig.Defaults.Mappings
	for _, override := range p.FieldConfig.Overrides {
		var text string
		var color struct{ FixedColor string }
		for _, property := range override.Properties {
			switch {
			case property.ID == "mappings" && override.Matcher.Options == "State":
				decode(property.Value, &mappings)
			case property.ID == "displayName":
				decode(property.Value, &text)
			case property.ID == "color":
				decode(property.Value, &color)
			}
		}
		if strings.HasPrefix(p.Title, "Endpoints by state") {
			all = append(all, stateColor{text, color.FixedColor})
		}
	}
	for _, m := range mappings {
		if m.Type != "value" {
			continue // ranges of HTTP status codes
		}
		if words := m.words(t); len(words) > 10 {
			for _, to := range words {
				all = append(all, stateColor(to))
			}
		}
	}
	return all
}

// TestStateColors: a state has the same colour in every panel of every dashboard, and no
// two states share one.
func TestStateColors(t *testing.T) {
	t.Parallel()
	states, colors, panels := map[string]string{}, map[string]string{}, 0
	for file, d := range readDashboards(t) {
		for _, p := range d.Panels {
			found := p.stateColors(t)
			if found != nil {
				panels++
			}
			for _, c := range found {
				if state, known := states[c.Color]; known && state != c.Text {
					t.Errorf("%s: %q has %s for %s, the colour of %s", file, p.Title, c.Color, c.Text, state)
				}
				if color, known := colors[c.Text]; known && color != c.Color {
					t.Errorf("%s: %q has %s for %s, elsewhere it is %s", file, p.Title, c.Color, c.Text, color)
				}
				states[c.Color], colors[c.Text] = c.Text, c.Color
			}
		}
	}
	if panels != 5 {
		t.Errorf("%d panels have colours of states, want 5", panels)
	}
}

var codeSyntax = regexp.MustCompile(`(\d+) \* session_state\{[^}]*state="(\w+)"\}`)

// statesByCode returns the states whose number in the panel's query the panel maps to
// the state's text. No term of the query is 0, which means unknown.
func (p panel) statesByCode(t *testing.T, inWords func(string) string) []string {
	t.Helper()
	codes := map[string]string{"0": "unknown"}
	for _, term := range codeSyntax.FindAllStringSubmatch(p.Targets[0].Expr, -1) {
		if other := codes[term[1]]; other != "" {
			t.Errorf("%q gives %s to %s and to %s", p.Title, term[1], other, term[2])
		}
		codes[term[1]] = term[2]
	}
	var states []string
	for code, to := range p.FieldConfig.Defaults.Mappings[0].words(t) {
		if codes[code] == inWords(to.Text) {
			states = append(states, codes[code])
		}
	}
	return states
}
