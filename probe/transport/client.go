// Package transport handles one exchange with an appliance: the client, the connection
// that an endpoint's probes share, timings, limits, and which parts may be shown. It
// knows nothing of APIs or states, does not judge responses, never follows a redirect, and
// never logs.
package transport

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	"golang.org/x/net/http/httpguts"

	"session_exporter/config"
	"session_exporter/probe/transport/http1"
	"session_exporter/secret"
)

// maxDial limits the time to connect and, separately, the TLS handshake, if the duration
// of the probe is unknown.
const maxDial = 30 * time.Second

// UserAgent identifies the client to the appliance's administrators.
var UserAgent = "session_exporter/" + version.Version

// Header values that all requests share.
var (
	userAgents = []string{UserAgent}
	acceptJSON = []string{"application/json"}
	acceptGzip = []string{"gzip"}
	noCache    = []string{"no-cache"} // the identity may change at any time
)

// Client sends requests to all endpoints that share connection settings. It follows no
// redirects, because it uses a transport without an http.Client.
type Client struct {
	// Transport is an *http1.Transport, or an *http.Transport for a proxy.
	Transport interface {
		http.RoundTripper
		CloseIdleConnections()
	}
	headers      *promconfig.Headers
	readFile     func(path string) ([]byte, error) // reads the headers that are in files
	proxySecrets []secret.Secret                   // sent to the proxy
}

// Limits of both transports.
const (
	// Longer than any sane interval: connections are closed earlier, by their age.
	maxIdleTime = 5 * time.Minute
	// Two endpoints may share a host.
	maxIdlePerHost = 2
	maxHeaderBytes = 64 << 10
)

// NewClient returns a client for probes that take at most longest, 0 if unknown. The
// error is about the TLS settings.
func NewClient(settings *config.HTTP, dial DialFunc, longest time.Duration) (*Client, error) {
	tlsConfig, err := settings.NewTLSConfig()
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	proxy := settings.Proxy
	c := &Client{headers: settings.Headers, readFile: settings.ReadHeaderFile, proxySecrets: proxySecrets(&proxy)}
	// When a whole fleet stops responding, abandoned connections would pile up, several for
	// each endpoint. The probe's own deadline is earlier, so that the probe reports it.
	connectTimeout := maxDial
	if longest > 0 {
		connectTimeout = longest + time.Second
	}
	if proxy.Proxy() != nil || !http1.DetectsClose {
		c.Transport = newHTTPTransport(tlsConfig, &proxy, dial, connectTimeout)
	} else {
		c.Transport = &http1.Transport{
			DialContext:            dial.within(connectTimeout).Track,
			TLSClientConfig:        tlsConfig,
			IdleConnTimeout:        maxIdleTime,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return c, nil
}

// newHTTPTransport returns net/http's transport, which supports all kinds of proxies.
// connectTimeout limits the time to connect, and again that of the TLS handshake.
func newHTTPTransport(tlsConfig *tls.Config, proxy *promconfig.ProxyConfig, dial DialFunc, connectTimeout time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:            dial.within(connectTimeout).Track,
		Proxy:                  proxy.Proxy(),
		ProxyConnectHeader:     proxy.GetProxyConnectHeader(),
		OnProxyConnectResponse: checkConnect,
		TLSClientConfig:        tlsConfig,
		// net/http connects in the background, beyond the end of the request: without a
		// limit, a hanging attempt would stay forever.
		TLSHandshakeTimeout:    connectTimeout,
		DisableCompression:     true, // see readDecoded
		IdleConnTimeout:        maxIdleTime,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		ReadBufferSize:         1 << 10, // enough for a whole response, and a quarter of the default
		WriteBufferSize:        1 << 10,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// addHeaders adds the configured headers, rereading files, and returns the secrets
// among them.
func (c *Client) addHeaders(header http.Header) ([]secret.Secret, error) {
	if c.headers == nil {
		return nil, nil
	}
	var secrets []secret.Secret
	for name, h := range c.headers.Headers {
		for _, value := range h.Values {
			header.Add(name, value)
			if config.SecretHeader(name, value) {
				secrets = append(secrets, secret.New(value))
			}
		}
		for _, value := range h.Secrets {
			header.Add(name, string(value))
			secrets = append(secrets, secret.New(string(value)))
		}
		for _, file := range h.Files {
			value, err := c.readFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading the http_headers file %q: %w", file, err)
			}
			text := strings.TrimSpace(string(value))
			if text == "" {
				return nil, fmt.Errorf("reading the http_headers file %q: %w", file, secret.ErrEmpty)
			}
			if !httpguts.ValidHeaderFieldValue(text) {
				return nil, fmt.Errorf("the http_headers file %q has characters that no HTTP header can carry", file)
			}
			header.Add(name, text)
			secrets = append(secrets, secret.New(text))
		}
	}
	return secrets, nil
}
