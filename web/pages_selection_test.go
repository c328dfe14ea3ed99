package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// newMixedSite returns a handler with endpoints in various states, probed one second apart. It
// must be called in a bubble of synctest.
func newMixedSite(t *testing.T) http.Handler {
	t.Helper()
	s := &site{}
	sent := []probe.StepResult{{Step: sessionapi.Check, Status: 200}}
	for i, e := range []struct {
		name     string
		state    sessionapi.State
		duration time.Duration
		labels   map[string]string
	}{
		{"gamma", sessionapi.Valid, 5 * time.Millisecond, map[string]string{"site": "oslo", "tier": "1"}},
		{"Alpha", sessionapi.Timeout, 10 * time.Second, map[string]string{"site": "porto", "tier": "1"}},
		{"beta", sessionapi.Valid, 7 * time.Millisecond, map[string]string{"site": "porto"}},
		{"delta", sessionapi.CredentialsRejected, 2 * time.Millisecond, map[string]string{"site": "dublin", "tier": "2"}},
		{"omega", "", 0, nil},
	} {
		var result *probe.Result
		if e.state != "" {
			result = &probe.Result{State: e.state, Duration: e.duration, Steps: sent}
		}
		added := s.add(e.name, result)
		added.Labels = e.labels
		added.URL = &url.URL{Scheme: "https", Host: fmt.Sprintf("10.0.0.%d:9443", i)}
		if e.name == "beta" {
			added.Credential = &config.Credential{Name: "robot"}
		}
	}
	o := s.options(t)
	for _, e := range s.endpoints {
		time.Sleep(time.Second)
		if s.results[e.Name] != nil {
			if _, err := o.Collector.Probe(t.Context(), e.Name, collector.RequestOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return newHandler(t, o)
}

func TestSelection(t *testing.T) {
	for _, tc := range []struct {
		query string
		want  []string
	}{
		// Failing endpoints, here all since the same second; then unknown, then valid ones.
		{"", []string{"Alpha", "delta", "omega", "beta", "gamma"}},
		{"sort=-state", []string{"beta", "gamma", "omega", "Alpha", "delta"}},
		{"sort=name", []string{"Alpha", "beta", "delta", "gamma", "omega"}},
		{"sort=-name", []string{"omega", "gamma", "delta", "beta", "Alpha"}},
		{"sort=latency", []string{"omega", "delta", "gamma", "beta", "Alpha"}},
		{"sort=-latency", []string{"Alpha", "beta", "gamma", "delta", "omega"}},
		{"sort=last", []string{"omega", "gamma", "Alpha", "beta", "delta"}},
		{"sort=-last", []string{"delta", "beta", "Alpha", "gamma", "omega"}},
		{"q=ALPHA", []string{"Alpha"}},
		{"q=10.0.0.2", []string{"beta"}},
		{"q=robot", []string{"beta"}},
		{"q=rejected", []string{"delta"}},
		{"q=site%3Dporto", []string{"Alpha", "beta"}},
		{"q=porto+hcx+9443", []string{"Alpha", "beta"}},
		{"q=porto+oslo", []string{}},
		{"state=valid", []string{"beta", "gamma"}},
		{"state=valid&state=timeout", []string{"Alpha", "beta", "gamma"}},
		{"state=failing", []string{"Alpha", "delta"}},
		{"state=", []string{"Alpha", "delta", "omega", "beta", "gamma"}},
		{"state=unknown", []string{"omega"}},
		{"label=site%3Dporto", []string{"Alpha", "beta"}},
		{"label=site%3Dporto&label=site%3Doslo", []string{"Alpha", "beta", "gamma"}},
		{"label=site%3Dporto&label=tier%3D1", []string{"Alpha"}},
		{"credential=robot", []string{"beta"}},
		{"credential=rob", []string{}},
		{"module=m&state=valid", []string{"beta", "gamma"}},
		{"module=other", []string{}},
		{"label=site%3D", []string{"omega"}}, // as in Prometheus, a missing label is an empty one
		{"label=site%3Dporto&state=failing&q=a", []string{"Alpha"}},
		{"page=9", []string{"Alpha", "delta", "omega", "beta", "gamma"}},
	} {
		t.Run(tc.query, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := openPage(t, newMixedSite(t), "/?"+tc.query).names(); !slices.Equal(got, tc.want) {
					t.Errorf("got %q, want %q", got, tc.want)
				}
			})
		})
	}
}

// A column's link sorts it with the rows of interest on top, then reverses the order.
func TestSortLinks(t *testing.T) {
	handler := newFleet(t, 2)
	for _, tc := range []struct{ query, title, link, direction string }{
		{"", "Since", "./?sort=-since", ""},
		{"sort=-since", "Since", "./?sort=since", "descending"},
		{"sort=since", "Since", "./?sort=-since", "ascending"},
		{"", "Endpoint", "./?sort=name", ""},
		{"sort=name", "Endpoint", "./?sort=-name", "ascending"},
		{"", "State", "./?sort=-state", "ascending"},
		{"sort=-state", "State", "./", "descending"},
		{"", "Latency", "./?sort=-latency", ""},
	} {
		for _, header := range openPage(t, handler, "/?"+tc.query).all("th", "class") {
			link := header.all("a", "href")
			if len(link) != 1 || strings.TrimRight(link[0].text(), " ▲▼") != tc.title {
				continue
			}
			href, _ := link[0].attribute("href")
			if direction, _ := header.attribute("aria-sort"); href != tc.link || direction != tc.direction {
				t.Errorf("%q: %s leads to %s and is %q, want %s and %q", tc.query, tc.title, href, direction, tc.link, tc.direction)
			}
		}
	}
}

// The most recent failure comes first.
func TestFailingNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		s.add("a", &probe.Result{State: sessionapi.Timeout})
		o := s.options(t)
		time.Sleep(time.Minute)
		s.add("b", &probe.Result{State: sessionapi.Forbidden})
		if err := o.Collector.Apply(&config.Config{Endpoints: s.endpoints}, s.prober); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Collector.Probe(t.Context(), "b", collector.RequestOptions{}); err != nil {
			t.Fatal(err)
		}
		handler := newHandler(t, o)
		for query, want := range map[string][]string{"": {"b", "a"}, "sort=since": {"a", "b"}, "sort=-since": {"b", "a"}} {
			if got := openPage(t, handler, "/?"+query).names(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
	})
}

func TestInvalidSelection(t *testing.T) {
	handler := newHandler(t, newOptions())
	var manyLabels string
	for i := range 51 {
		manyLabels += fmt.Sprintf("&label=site=%d", i)
	}
	for query, want := range map[string]string{
		"state=none":     "Unknown state \"none\".",
		"label=site":     "A label filter must be label=NAME=VALUE.",
		"sort=colour":    "Unknown sort order \"colour\".",
		"page=0":         "Page must be a number, 1 or more.",
		"page=x":         "Page must be a number, 1 or more.",
		"group=all":      "Group must be none, or absent.",
		manyLabels:       "At most 50 label filters are supported.",
		"sort=--name":    "Unknown sort order \"--name\".",
		"state=%3Cb%3E":  "Unknown state \"<b>\".",
		"page=123456789": "", // valid, but past the last page
	} {
		response := send(handler, http.MethodGet, "/?"+query)
		if want == "" {
			if response.Code != http.StatusOK {
				t.Errorf("%s: status %d", query, response.Code)
			}
			continue
		}
		if body := html.UnescapeString(response.Body.String()); response.Code != http.StatusBadRequest || !strings.Contains(body, ">"+want+" <") {
			t.Errorf("%s: status %d, no %q in %s", query, response.Code, want, body)
		}
	}
}

func TestPages(t *testing.T) {
	handler := newFleet(t, 250)
	for _, tc := range []struct {
		query, shown, first string
		rows                int
		previous, next      bool
	}{
		{"sort=name", "1 to 100 of 250 endpoints", "endpoint-00000", 100, false, true},
		{"sort=name&page=2", "101 to 200 of 250 endpoints", "endpoint-00100", 100, true, true},
		{"sort=name&page=3", "201 to 250 of 250 endpoints", "endpoint-00200", 50, true, false},
		{"sort=name&page=4", "201 to 250 of 250 endpoints", "endpoint-00200", 50, true, false},
		{"q=00021&page=3", "1 endpoint of 250", "endpoint-00021", 1, false, false},
		{"state=failing&sort=name", "25 endpoints of 250", "endpoint-00000", 25, false, false},
	} {
		page := openPage(t, handler, "/?"+tc.query)
		names := page.names()
		if len(names) != tc.rows || names[0] != tc.first {
			t.Errorf("%s: %d rows from %s", tc.query, len(names), names[0])
		}
		if got := page.withID("summary").text(); got != tc.shown {
			t.Errorf("%s: %q, want %q", tc.query, got, tc.shown)
		}
		rels := make(map[string]bool)
		for _, link := range page.all("a", "rel") {
			rel, _ := link.attribute("rel")
			rels[rel] = true
		}
		if rels["prev"] != tc.previous || rels["next"] != tc.next {
			t.Errorf("%s: links to %v", tc.query, rels)
		}
	}
}
