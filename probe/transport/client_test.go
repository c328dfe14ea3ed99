package transport

import (
	"net"
	"net/http"
	"net/url"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/probe/transport/http1"
)

// A separate client has the same settings, with and without a proxy, but connections of its own
// and no secret headers.
func TestSeparate(t *testing.T) {
	for name, proxy := range map[string]promconfig.ProxyConfig{
		"direct": {},
		"proxy":  {ProxyURL: promconfig.URL{URL: &url.URL{Scheme: "http", Host: "proxy.test:3128"}}},
	} {
		t.Run(name, func(t *testing.T) {
			headers := &promconfig.Headers{Headers: map[string]promconfig.Header{
				"X-Plain": {Values: []string{"plain"}}, "X-Key": {Secrets: []promconfig.Secret{"s3cret"}, Files: []string{"none"}},
			}}
			c, err := NewClient(&config.HTTP{Proxy: proxy, Headers: headers}, new(net.Dialer).DialContext, 0)
			if err != nil {
				t.Fatal(err)
			}
			s := c.Separate()
			switch own := s.Transport.(type) {
			case *http1.Transport:
				if before := c.Transport.(*http1.Transport); own == before || own.TLSClientConfig != before.TLSClientConfig || own.DialContext == nil || own.MaxResponseHeaderBytes != before.MaxResponseHeaderBytes {
					t.Errorf("the separate transport has other settings, or is the same: %+v", own)
				}
			case *http.Transport:
				if before := c.Transport.(*http.Transport); own == before || own.Proxy == nil || !own.DisableCompression || own.MaxResponseHeaderBytes != before.MaxResponseHeaderBytes {
					t.Errorf("the separate transport has other settings, or is the same: %+v", own)
				}
			}
			header := make(http.Header)
			if secrets, err := s.addHeaders(header); err != nil || len(secrets) > 0 || len(header) != 1 || header.Get("X-Plain") != "plain" {
				t.Errorf("it sends the headers %v with the secrets %v, error %v; want X-Plain alone", header, secrets, err)
			}
			if len(c.headers.Headers["X-Key"].Secrets) != 1 {
				t.Error("the client itself has changed")
			}
		})
	}
}
