package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"session_exporter/internal/golden"
	"session_exporter/sessionapi"
)

// label is how the dashboards show a state. Index is also its number in queries.
type label struct {
	Text  string `json:"text"`
	Color string `json:"color"`
	Index int    `json:"index"`
	state sessionapi.State
}

// spareColors are for states that have no color in the dashboards yet.
var spareColors = []string{"#CC79A7", "#44AA99", "#882255", "#999933", "#332288", "#AA4466"}

// The parts of a dashboard that list the states.
const seriesOverride = `\{\s*"matcher": \{[^{}]*"options": "%s"\s*\},\s*"properties": \[[^][]*\]\s*\}`

var (
	mappings  = regexp.MustCompile(`\{\s*"(0|unknown)": \{[^{}]*"Unknown"[^{}]*\}(,\s*"\w+": \{[^{}]*\})*\s*\}`)
	overrides = regexp.MustCompile(fmt.Sprintf(seriesOverride+`(,\s*`+seriesOverride+`)*`, "unknown", "[a-z_]+"))
	numbers   = regexp.MustCompile(` 1 \* (session_state\{[^}]*state=\\")valid\\"\}(\\n  or +\d+ \* session_state\{[^}]*\})*`)
)

// TestDashboardStates: each panel that shows states has all of them, with the text and color
// that they have in other panels, and no two states share a color. With -update, it adds the
// states that the panels lack, with new colors.
func TestDashboardStates(t *testing.T) {
	files, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var texts [][]byte
	known := make(map[sessionapi.State]label)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
		for _, part := range mappings.FindAll(text, -1) {
			var found map[string]label
			if err := json.Unmarshal(part, &found); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, l := range found {
				known[sessionapi.State(strings.ReplaceAll(strings.ToLower(l.Text), " ", "_"))] = l
			}
		}
	}
	labels, panels := labelAll(t, known), 0
	for i, file := range files {
		text, n := relabel(texts[i], labels)
		panels += n
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "  "); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		golden.Check(t, file, indented.Bytes())
	}
	// The fleet's table, bars and graph, and an endpoint's stat and timeline.
	if panels != 5 {
		t.Errorf("%d panels list the states, want 5", panels)
	}
}

// labelAll returns the labels of all states. Unknown is the first: its number is 0, what
// queries return if no state is 1.
func labelAll(t *testing.T, known map[sessionapi.State]label) (labels []label) {
	t.Helper()
	colors := make(map[string]sessionapi.State)
	for state, l := range known {
		if other := colors[l.Color]; other != "" {
			t.Errorf("%s and %s have the same color %s", state, other, l.Color)
		}
		colors[l.Color] = state
	}
	states := slices.DeleteFunc(sessionapi.States(), func(s sessionapi.State) bool { return s == sessionapi.Unknown })
	for i, state := range slices.Insert(states, 0, sessionapi.Unknown) {
		l, ok := known[state]
		if !ok {
			unused := slices.IndexFunc(spareColors, func(color string) bool { return colors[color] == "" })
			if unused < 0 {
				t.Fatalf("add a spare color for %s", state)
			}
			words := strings.ReplaceAll(string(state), "_", " ")
			l = label{Text: strings.ToUpper(words[:1]) + words[1:], Color: spareColors[unused]}
			colors[l.Color] = state
		}
		l.Index, l.state = i, state
		labels = append(labels, l)
	}
	return labels
}

// relabel replaces the lists of states in a dashboard, and returns the number of panels that
// have one.
func relabel(text []byte, labels []label) (relabelled []byte, panels int) {
	list := func(labels []label, separator string, item func(label) string) []byte {
		var items []string
		for _, l := range labels {
			items = append(items, item(l))
		}
		return []byte(strings.Join(items, separator))
	}
	text = mappings.ReplaceAllFunc(text, func(part []byte) []byte {
		panels++
		byNumber := mappings.FindSubmatch(part)[1][0] == '0'
		return slices.Concat([]byte("{"), list(labels, ",", func(l label) string {
			key := string(l.state)
			if byNumber {
				key = strconv.Itoa(l.Index)
			}
			value, _ := json.Marshal(l) // cannot fail: texts and a number
			return fmt.Sprintf("%q: %s", key, value)
		}), []byte("}"))
	})
	text = overrides.ReplaceAllFunc(text, func([]byte) []byte {
		panels++
		return list(labels, ",", func(l label) string {
			return fmt.Sprintf(`{"matcher": {"id": "byName", "options": %q}, "properties": [{"id": "displayName", "value": %q}, `+
				`{"id": "color", "value": {"mode": "fixed", "fixedColor": %q}}]}`, l.state, l.Text, l.Color)
		})
	})
	text = numbers.ReplaceAllFunc(text, func(part []byte) []byte {
		series := numbers.FindSubmatch(part)[1]
		return list(labels[1:], `\n  or `, func(l label) string { return fmt.Sprintf(`%2d * %s%s\"}`, l.Index, series, l.state) })
	})
	return text, panels
}
