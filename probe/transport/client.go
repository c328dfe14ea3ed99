// Package transport handles one exchange with an appliance: the client, the connection
// that an endpoint's probes share, timings, limits, and which parts may be shown. It
// knows nothing of APIs or states, does not judge responses, never follows a redirect, and
// never logs.
package transport

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/net/http/httpguts"

	"session_exporter/config"
	"session_exporter/internal/buildinfo"
	"session_exporter/probe/transport/http1"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// maxDial is the connect timeout of a client for probes of unknown duration.
const maxDial = 30 * time.Second

// UserAgent identifies the client to the appliance's administrators.
var UserAgent = "session_exporter/" + buildinfo.Version

// defaultHeaders are overridden by those of a request. All requests share the values.
var defaultHeaders = http.Header{
	"Accept":          {"application/json"},
	"Accept-Encoding": {"gzip"},
	"Cache-Control":   {"no-cache"}, // the identity may change at any time
	"User-Agent":      {UserAgent},
}

// Client sends requests to all endpoints that share connection settings. It follows no
// redirects, because it uses a transport without an http.Client.
type Client struct {
	// Transport is an *http1.Transport, or an *http.Transport for a proxy, for HTTP/2, or
	// where http1 does not detect closed connections.
	Transport interface {
		http.RoundTripper
		CloseIdleConnections()
	}
	headers      *promconfig.Headers
	readFile     func(path string) ([]byte, error) // reads the headers that are in files
	proxySecrets []secret.Secret                   // sent to the proxy
	http2        bool                              // offered to servers
}

// Limits of both transports.
const (
	// Longer than most intervals. With a longer interval, each probe has its own connection.
	maxIdleTime = 5 * time.Minute
	// Two endpoints may share a host.
	maxIdlePerHost = 2
	maxHeaderBytes = 64 << 10
)

// http2Config limits what a server may send before it is read. A connection that a firewall
// drops is noticed by a ping before the next probe: a request that times out closes only
// its stream.
var http2Config = http.HTTP2Config{
	MaxReceiveBufferPerConnection: 1 << 20,
	MaxReceiveBufferPerStream:     256 << 10,
	SendPingTimeout:               15 * time.Second,
	PingTimeout:                   10 * time.Second,
}

// alpnHTTP1 is the only protocol that is offered without enable_http2. A server that speaks
// only HTTP/2 then fails the handshake, before a secret is sent.
var alpnHTTP1 = []string{"http/1.1"}

// NewClient returns a client for probes that take at most longest, 0 if unknown. The
// error is about the TLS settings.
func NewClient(settings *config.HTTP, dial DialFunc, longest time.Duration) (*Client, error) {
	tlsConfig, err := settings.NewTLSConfig()
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	proxy := settings.Proxy
	c := &Client{headers: settings.Headers, readFile: settings.ReadHeaderFile, proxySecrets: proxySecrets(&proxy), http2: settings.EnableHTTP2}
	if !c.http2 {
		tlsConfig.NextProtos = alpnHTTP1
	}
	// Without a limit, abandoned connections would pile up when a whole fleet stops
	// responding, several for each endpoint. The limit exceeds the probe's own timeout,
	// which is the one to be reported.
	connectTimeout := maxDial
	if longest > 0 {
		connectTimeout = longest + time.Second
	}
	if proxy.Proxy() != nil || c.http2 || !http1.DetectsClose {
		t := newHTTPTransport(tlsConfig, &proxy, dial, connectTimeout)
		t.ForceAttemptHTTP2, t.HTTP2 = c.http2, &http2Config
		c.Transport = t
	} else {
		c.Transport = &http1.Transport{
			DialContext:            dial.within(connectTimeout),
			TLSClientConfig:        tlsConfig,
			IdleConnTimeout:        maxIdleTime,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return c, nil
}

// newHTTPTransport returns net/http's transport, which supports all kinds of proxies, and
// HTTP/2. connectTimeout limits the time to connect and, separately, the TLS handshake.
func newHTTPTransport(tlsConfig *tls.Config, proxy *promconfig.ProxyConfig, dial DialFunc, connectTimeout time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:            dial.within(connectTimeout),
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

// Separate returns a client with the same settings and connections of its own. It does not
// send the configured headers that are secret.
func (c *Client) Separate() *Client {
	own := *c
	switch t := c.Transport.(type) {
	case *http1.Transport:
		own.Transport = &http1.Transport{
			DialContext: t.DialContext, TLSClientConfig: t.TLSClientConfig, IdleConnTimeout: t.IdleConnTimeout,
			MaxIdleConnsPerHost: t.MaxIdleConnsPerHost, MaxResponseHeaderBytes: t.MaxResponseHeaderBytes,
		}
	case *http.Transport:
		own.Transport = t.Clone()
	}
	if c.headers == nil {
		return &own
	}
	own.headers = &promconfig.Headers{Headers: make(map[string]promconfig.Header)}
	for name, h := range c.headers.Headers {
		plain := slices.DeleteFunc(slices.Clone(h.Values), func(value string) bool { return sessionapi.SecretHeader(name, value) })
		own.headers.Headers[name] = promconfig.Header{Values: plain}
	}
	return &own
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
			if sessionapi.SecretHeader(name, value) {
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
