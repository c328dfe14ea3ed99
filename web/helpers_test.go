package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// fixedProber is a prober that always returns the same result.
type fixedProber struct {
	stub
	result probe.Result
}

func (p fixedProber) Probe(context.Context, probe.Options) (*probe.Result, error) {
	r := p.result
	r.Start = time.Now()
	return &r, nil
}

// seriesProber is a prober that returns the next result of a series at each probe.
type seriesProber struct {
	stub
	next *[]*probe.Result
}

func (p seriesProber) Probe(context.Context, probe.Options) (*probe.Result, error) {
	r := *(*p.next)[0]
	*p.next = (*p.next)[1:]
	r.Start = time.Now()
	return &r, nil
}

// site is the data of a test's handler.
type site struct {
	endpoints   []*config.Endpoint
	results     map[string]*probe.Result // the last of each endpoint, nil if it was not probed yet
	credentials []probe.CredentialStatus
	yaml        string
	prefix      string
	telemetry   string
}

func (s *site) add(name string, result *probe.Result) *config.Endpoint {
	if s.results == nil {
		s.results = make(map[string]*probe.Result)
	}
	e := &config.Endpoint{
		Name: name, URL: &url.URL{Scheme: "https", Host: "appliance.test:9443"},
		Settings: config.Settings{
			API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Module: "m", Auth: sessionapi.AuthLogin, Interval: time.Minute, Timeout: 10 * time.Second,
			Credential: &config.Credential{Name: "account", Username: "monitor"},
		},
	}
	s.endpoints = append(s.endpoints, e)
	s.results[name] = result
	return e
}

// options returns the options of the site's handler, after probing each endpoint once.
func (s *site) options(tb testing.TB) Options {
	tb.Helper()
	o := newOptions()
	o.RoutePrefix = s.prefix
	if s.telemetry != "" {
		o.TelemetryPath = s.telemetry
	}
	o.Collector = collector.New(func() []probe.CredentialStatus { return s.credentials }, slog.New(slog.DiscardHandler))
	if err := o.Collector.Apply(&config.Config{Endpoints: slices.Clone(s.endpoints), YAML: s.yaml}, s.prober); err != nil {
		tb.Fatal(err)
	}
	for _, e := range s.endpoints {
		if s.results[e.Name] == nil {
			continue
		}
		if _, err := o.Collector.Probe(tb.Context(), e.Name, collector.RequestOptions{}); err != nil {
			tb.Fatal(err)
		}
	}
	return o
}

// flapping adds an endpoint, probes it every 10 minutes, and returns a handler after the last
// result.
func (s *site) flapping(tb testing.TB, name string, results ...*probe.Result) http.Handler {
	tb.Helper()
	s.add(name, nil)
	o := newOptions()
	o.Collector = collector.New(func() []probe.CredentialStatus { return s.credentials }, slog.New(slog.DiscardHandler))
	prober := func(*config.Endpoint) (collector.Prober, error) { return seriesProber{next: &results}, nil }
	if err := o.Collector.Apply(&config.Config{Endpoints: s.endpoints}, prober); err != nil {
		tb.Fatal(err)
	}
	for len(results) > 0 {
		if _, err := o.Collector.Probe(tb.Context(), name, collector.RequestOptions{}); err != nil {
			tb.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
	}
	handler, err := NewHandler(o)
	if err != nil {
		tb.Fatal(err)
	}
	return handler
}

func (s *site) prober(e *config.Endpoint) (collector.Prober, error) {
	if result := s.results[e.Name]; result != nil {
		return fixedProber{result: *result}, nil
	}
	return stub{state: sessionapi.Unknown}, nil
}

func (s *site) handler(tb testing.TB) http.Handler {
	tb.Helper()
	handler, err := NewHandler(s.options(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return handler
}

// document is a parsed HTML page.
type document struct{ *html.Node }

// openPage requests a page as a browser does.
func openPage(t *testing.T, handler http.Handler, target string) document {
	t.Helper()
	response := send(handler, http.MethodGet, target, "Accept", "text/html,*/*;q=0.8")
	if response.Code != http.StatusOK || !strings.HasPrefix(response.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("GET %s: status %d, %s", target, response.Code, response.Body)
	}
	return parsePage(t, response.Body)
}

func parsePage(t *testing.T, page io.Reader) document {
	t.Helper()
	node, err := html.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	return document{node}
}

// render returns elements as HTML.
func render(all []document) string {
	var b strings.Builder
	for _, d := range all {
		_ = html.Render(&b, d.Node)
	}
	return b.String()
}

// all returns the elements that have a name and an attribute. An empty name or attribute
// matches every element.
func (d document) all(element, attribute string) []document {
	var matches []document
	for node := range d.Descendants() {
		if node.Type == html.ElementNode && (element == "" || node.Data == element) {
			if _, has := (document{node}).attribute(attribute); has || attribute == "" {
				matches = append(matches, document{node})
			}
		}
	}
	return matches
}

func (d document) attribute(name string) (string, bool) {
	for _, a := range d.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// withID returns the element with this id, an empty element if it does not exist.
func (d document) withID(id string) document {
	for _, element := range d.all("", "id") {
		if value, _ := element.attribute("id"); value == id {
			return element
		}
	}
	return document{&html.Node{}}
}

// text returns the text content with collapsed white space.
func (d document) text() string {
	var b strings.Builder
	for node := range d.Descendants() {
		if node.Type == html.TextNode {
			b.WriteString(node.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// names returns the endpoints of an overview in order.
func (d document) names() []string {
	names := []string{}
	for _, row := range d.all("tr", "data-name") {
		name, _ := row.attribute("data-name")
		names = append(names, name)
	}
	return names
}
