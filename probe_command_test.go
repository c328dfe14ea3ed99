package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/simulator"
)

// TestSelectEndpoints: what is told to who named no endpoint, or a wrong one.
func TestSelectEndpoints(t *testing.T) {
	fleet := func(names ...string) *config.Config {
		settings := &config.Config{File: "f.yml"}
		for _, name := range names {
			settings.Endpoints = append(settings.Endpoints, &config.Endpoint{Name: name})
		}
		return settings
	}
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("e%d", i))
	}
	twenty := strings.Join(many[:20], ", ")
	for _, tc := range []struct {
		name     string
		settings *config.Config
		names    []string
		all      bool
		want     string // names, or the error
	}{
		{"all", fleet("a", "b"), nil, true, "a b"},
		{"in the order asked for, each once", fleet("a", "b", "c"), []string{"c", "a", "c"}, false, "c a"},
		{"both", fleet("a"), []string{"a"}, true, "name endpoints or give --all, not both"},
		{"none named", fleet("a", "b"), nil, false, "name the endpoints to probe, or give --all; f.yml has: a, b"},
		{"unknown", fleet("a", "b"), []string{"a", "c\x1b"}, false, `f.yml has no endpoint "c\x1b"; it has: a, b`},
		{"hidden characters", fleet("a\u202eb"), nil, false, "name the endpoints to probe, or give --all; f.yml has: a\ufffdb"},
		{"20", fleet(many[:20]...), []string{"x"}, false, `f.yml has no endpoint "x"; it has: ` + twenty},
		{"many", fleet(many...), []string{"x"}, false, `f.yml has no endpoint "x"; it has: ` + twenty + ", and 9980 more"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			selected, err := selectEndpoints(tc.settings, tc.names, tc.all)
			got := fmt.Sprint(err)
			if err == nil {
				var names []string
				for _, endpoint := range selected.Endpoints {
					names = append(names, endpoint.Name)
				}
				got = strings.Join(names, " ")
			}
			if got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestInterruptedProbe: who interrupts it learns which sessions were left.
func TestInterruptedProbe(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	appliance := account("right")
	appliance.Faults = []simulator.Fault{{On: simulator.Logout, Status: http.StatusInternalServerError}}
	hcx := simulator.NewHCX(appliance)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			interrupt()
			<-r.Context().Done()
		}
		hcx.ServeHTTP(w, r)
	}))
	defer server.Close()
	text := strings.Replace(oneAccount(1, passwordModules["hcx login"]), "http://site-0.test", server.URL, 1)
	settings, err := config.Parse([]byte(strings.Replace(text, "password_file: password", "password: right", 1)), "f.yml", probe.APIs())
	must(t, err)
	var said bytes.Buffer
	err = probeOnce(ctx, settings, shape{output: "text", color: "never"}, streams{io.Discard, &said})
	if !errors.Is(err, context.Canceled) || !strings.Contains(said.String(), "some sessions may have been left on their appliances: ") {
		t.Errorf("error %v; said:\n%s", err, &said)
	}
}
