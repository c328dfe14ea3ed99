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

// display is how the dashboards show a state. Index is also the state's number in queries.
type display struct {
	Text  string `json:"text"`
	Color string `json:"color"`
	Index int    `json:"index"`
	state sessionapi.State
}

// spareColors are for states that have no color in the dashboards yet.
var spareColors = []string{"#CC79A7", "#44AA99", "#882255", "#999933", "#332288", "#AA4466"}

// seriesOverride is the override of a graph for the series of a state.
const seriesOverride = `\{\s*"matcher": \{[^{}]*"options": "%s"\s*\},\s*"properties": \[[^][]*\]\s*\}`

// The lists of states in a dashboard: value mappings, overrides of a graph, and queries that
// number the states.
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
	known := make(map[sessionapi.State]display)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
		for _, part := range mappings.FindAll(text, -1) {
			var found map[string]display
			if err := json.Unmarshal(part, &found); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, d := range found {
				known[sessionapi.State(strings.ReplaceAll(strings.ToLower(d.Text), " ", "_"))] = d
			}
		}
	}
	displays, panels := displayAll(t, known), 0
	for i, file := range files {
		text, n := replaceLists(texts[i], displays)
		panels += n
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "  "); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		golden.Check(t, file, indented.Bytes())
	}
	// In fleet.json a table, bars and a graph; in endpoint.json a stat and a timeline.
	if panels != 5 {
		t.Errorf("%d panels list the states, want 5", panels)
	}
}

// displayAll returns the displays of all states. Unknown is the first: its number is 0, which
// queries return if no state is 1.
func displayAll(t *testing.T, known map[sessionapi.State]display) (displays []display) {
	t.Helper()
	colors := make(map[string]sessionapi.State)
	for state, d := range known {
		if other := colors[d.Color]; other != "" {
			t.Errorf("%s and %s have the same color %s", state, other, d.Color)
		}
		colors[d.Color] = state
	}
	states := slices.DeleteFunc(sessionapi.States(), func(s sessionapi.State) bool { return s == sessionapi.Unknown })
	for i, state := range slices.Insert(states, 0, sessionapi.Unknown) {
		d, ok := known[state]
		if !ok {
			unused := slices.IndexFunc(spareColors, func(color string) bool { return colors[color] == "" })
			if unused < 0 {
				t.Fatalf("add a spare color for %s", state)
			}
			words := strings.ReplaceAll(string(state), "_", " ")
			d = display{Text: strings.ToUpper(words[:1]) + words[1:], Color: spareColors[unused]}
			colors[d.Color] = state
		}
		d.Index, d.state = i, state
		displays = append(displays, d)
	}
	return displays
}

// replaceLists replaces the lists of states in a dashboard, and returns the number of panels
// that have one.
func replaceLists(text []byte, displays []display) (replaced []byte, panels int) {
	list := func(displays []display, separator string, item func(display) string) []byte {
		var items []string
		for _, d := range displays {
			items = append(items, item(d))
		}
		return []byte(strings.Join(items, separator))
	}
	text = mappings.ReplaceAllFunc(text, func(part []byte) []byte {
		panels++
		byNumber := mappings.FindSubmatch(part)[1][0] == '0'
		return slices.Concat([]byte("{"), list(displays, ",", func(d display) string {
			key := string(d.state)
			if byNumber {
				key = strconv.Itoa(d.Index)
			}
			value, _ := json.Marshal(d) // cannot fail: texts and a number
			return fmt.Sprintf("%q: %s", key, value)
		}), []byte("}"))
	})
	text = overrides.ReplaceAllFunc(text, func([]byte) []byte {
		panels++
		return list(displays, ",", func(d display) string {
			return fmt.Sprintf(`{"matcher": {"id": "byName", "options": %q}, "properties": [{"id": "displayName", "value": %q}, `+
				`{"id": "color", "value": {"mode": "fixed", "fixedColor": %q}}]}`, d.state, d.Text, d.Color)
		})
	})
	text = numbers.ReplaceAllFunc(text, func(part []byte) []byte {
		series := numbers.FindSubmatch(part)[1]
		return list(displays[1:], `\n  or `, func(d display) string { return fmt.Sprintf(`%2d * %s%s\"}`, d.Index, series, d.state) })
	})
	return text, panels
}
