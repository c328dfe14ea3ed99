package web

import (
	"context"
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
)

// told is a prober that finds one result for ever.
type told struct {
	stub
	result probe.Result
}

func (p told) Probe(context.Context) (*probe.Result, error) {
	r := p.result
	r.Start = time.Now()
	return &r, nil
}

// site is what a handler shows: each endpoint by what was found there last, nil
// for one that was not probed yet.
type site struct {
	endpoints   []*config.Endpoint
	found       map[string]*probe.Result
	credentials []probe.CredentialStatus
	yaml        string
	prefix      string
	telemetry   string
}

func (s *site) add(name string, found *probe.Result) *config.Endpoint {
	if s.found == nil {
		s.found = make(map[string]*probe.Result)
	}
	e := &config.Endpoint{
		Name: name, URL: &url.URL{Scheme: "https", Host: "appliance.test:9443"},
		Settings: config.Settings{
			API: "hcx", Module: "m", Auth: config.AuthLogin, Interval: time.Minute, Timeout: 10 * time.Second,
			Credential: &config.Credential{Name: "account", Username: "monitor"},
		},
	}
	s.endpoints = append(s.endpoints, e)
	s.found[name] = found
	return e
}

// options are those of the site's handler, each endpoint probed once.
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
		if s.found[e.Name] == nil {
			continue
		}
		if _, err := o.Collector.Probe(tb.Context(), e.Name, 0); err != nil {
			tb.Fatal(err)
		}
	}
	return o
}

func (s *site) prober(e *config.Endpoint) (collector.Prober, error) {
	if found := s.found[e.Name]; found != nil {
		return told{result: *found}, nil
	}
	return stub{state: probe.Unknown}, nil
}

func (s *site) handler(tb testing.TB) http.Handler {
	tb.Helper()
	handler, err := NewHandler(s.options(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return handler
}

// document is a page that was parsed as a browser does.
type document struct{ *html.Node }

// open asks for a page as a browser does.
func open(t *testing.T, handler http.Handler, target string) document {
	t.Helper()
	response := ask(handler, http.MethodGet, target, "Accept", "text/html,*/*;q=0.8")
	if response.Code != http.StatusOK || !strings.HasPrefix(response.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("GET %s: status %d, %s", target, response.Code, response.Body)
	}
	node, err := html.Parse(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return document{node}
}

// all returns the elements of a name, "" for any, that have an attribute of a
// name, "" for any.
func (d document) all(element, attribute string) []document {
	var found []document
	for node := range d.Descendants() {
		if node.Type == html.ElementNode && (element == "" || node.Data == element) {
			if _, has := (document{node}).attribute(attribute); has || attribute == "" {
				found = append(found, document{node})
			}
		}
	}
	return found
}

func (d document) attribute(name string) (string, bool) {
	for _, a := range d.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// withID returns the element of an id, an empty one where there is none.
func (d document) withID(id string) document {
	for _, found := range d.all("", "id") {
		if value, _ := found.attribute("id"); value == id {
			return found
		}
	}
	return document{&html.Node{}}
}

// text is what people read, its white space made single.
func (d document) text() string {
	var b strings.Builder
	for node := range d.Descendants() {
		if node.Type == html.TextNode {
			b.WriteString(node.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// names are the endpoints that an overview shows, in order.
func (d document) names() []string {
	names := []string{}
	for _, row := range d.all("tr", "data-name") {
		name, _ := row.attribute("data-name")
		names = append(names, name)
	}
	return names
}
