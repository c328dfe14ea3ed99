package transport

import (
	"testing"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/probe/transport/mask"
)

// The secrets of a proxy are in its URL, which may come from the environment, and in the headers
// of CONNECT.
func TestProxySecrets(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy-us3r:proxy-passw0rd@proxy.test:3128")
	t.Setenv("https_proxy", "proxy-t0ken-only@proxy.test:3128")
	set := new(mask.Secrets)
	set.AddHeader(proxySecrets(&promconfig.ProxyConfig{ProxyFromEnvironment: true, ProxyConnectHeader: promconfig.ProxyHeader{"X": {"Bearer c0nnect-1"}}})...)
	got := mask.NewMasker(set).Mask("proxy-passw0rd, proxy-t0ken-only, c0nnect-1")
	if want := "<secret>, <secret>, <secret>"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := proxySecrets(new(promconfig.ProxyConfig)); len(got) != 0 {
		t.Errorf("%d secrets without a proxy", len(got))
	}
}
