package probe

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// A refusal by a proxy is reported as the proxy's. A refused password of the proxy is not sent
// again before a back-off has passed.
func TestProxyRefusals(t *testing.T) {
	for _, c := range []struct {
		name, url         string
		status            int
		tls               bool
		state             sessionapi.State
		why, advice       string
		requests, inThree int // in one probe, and in three
	}{
		{"password", "https://appliance.test", 407, false, sessionapi.Unreachable, "responded with 407 Proxy Authentication Required", "user and password", 1, 1},
		{"password, without TLS", "http://appliance.test", 407, false, sessionapi.InvalidResponse, "a proxy requires", "user and password", 1, 1},
		{"rules", "https://appliance.test", 403, false, sessionapi.Unreachable, "responded with 403 Forbidden", "proxy's rules", 1, 3},
		{"redirect", "https://appliance.test", 302, false, sessionapi.Unreachable, "responded with 302 Found", "proxy's rules", 1, 3},
		{"outage", "https://appliance.test", 503, false, sessionapi.Unreachable, "responded with 503 Service Unavailable", "proxy's rules", 1, 3},
		{"certificate", "https://appliance.test", 407, true, sessionapi.TLSFailed, "to the proxy for appliance.test failed: tls: failed to verify", "the proxy's certificate", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(c.status)
			})
			proxy := httptest.NewUnstartedServer(handler)
			proxy.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			if c.tls {
				proxy.StartTLS()
			} else {
				proxy.Start()
			}
			defer proxy.Close()
			at, err := url.Parse(proxy.URL)
			if err != nil {
				t.Fatal(err)
			}
			at.User = url.UserPassword("exporter", canaryClient)
			e := endpointFor("dr", sessionapi.AuthToken)
			if e.URL, err = url.Parse(c.url); err != nil {
				t.Fatal(err)
			}
			e.HTTP = &config.HTTP{Proxy: promconfig.ProxyConfig{ProxyURL: promconfig.URL{URL: at}}}
			p := newProber(t, e)
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) || !strings.Contains(r.Advice, c.advice) {
				t.Errorf("%s: %s\n%s\nwant %s: … %s …\n… %s …", r.State, r.Diagnosis, r.Advice, c.state, c.why, c.advice)
			}
			if int(requests.Load()) != c.requests {
				t.Errorf("the proxy got %d requests, want %d", requests.Load(), c.requests)
			}
			for range 2 {
				if r := mustProbe(t, p); r.State != c.state {
					t.Errorf("then %s: %s", r.State, r.Diagnosis)
				}
			}
			if int(requests.Load()) != c.inThree {
				t.Errorf("in three probes the proxy got %d requests, want %d", requests.Load(), c.inThree)
			}
		})
	}
}
