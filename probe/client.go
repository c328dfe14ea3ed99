package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	"golang.org/x/net/http/httpguts"

	"session_exporter/config"
)

// maxBody is how much of a body is read, decompressed.
const maxBody = 1 << 20

// maxDial bounds how long a connection may be in the making, and again its TLS
// handshake, when nobody waits for it any more.
const maxDial = 30 * time.Second

// userAgent tells the appliance's administrators who asks.
var userAgent = "session_exporter/" + version.Version

// The values of headers that all requests have, which share them.
var (
	userAgents = []string{userAgent}
	acceptJSON = []string{"application/json"}
)

// client sends requests for all endpoints that share connection settings. It
// follows no redirect: it has a transport and no http.Client around it.
type client struct {
	transport *http.Transport
	sessions  tlsSessions
	headers   *promconfig.Headers
	// proxySecrets are those that the proxy is sent.
	proxySecrets []config.Secret
}

func newClient(settings *config.HTTP, dial DialFunc) (*client, error) {
	tlsConfig, err := promconfig.NewTLSConfig(&settings.TLS)
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	proxy := settings.Proxy
	return &client{
		headers:      settings.Headers,
		proxySecrets: proxySecrets(&proxy),
		transport: &http.Transport{
			DialContext:        dial.aging,
			Proxy:              proxy.Proxy(),
			ProxyConnectHeader: proxy.GetProxyConnectHeader(),
			TLSClientConfig:    tlsConfig,
			// A connection is made in the background and outlives a request that
			// gave up: without a bound, one that hangs would stay for ever.
			TLSHandshakeTimeout: maxDial,
			// Longer than any sane interval. What should be closed earlier is
			// closed by its age.
			IdleConnTimeout:     5 * time.Minute,
			MaxIdleConnsPerHost: 2,
			// A session's answer has a kilobyte; ten thousand kept connections
			// with the default 4 KiB would hold 80 MB.
			ReadBufferSize:         1 << 10,
			WriteBufferSize:        1 << 10,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}, nil
}

// resume makes connections resume TLS sessions. Not where a proxy has sessions
// too, or where all hosts go by one name: nobody would know whose a session is.
func (c *client) resume(settings *config.HTTP) {
	proxy := settings.Proxy
	if settings.TLS.ServerName == "" && proxy.Proxy() == nil {
		c.transport.TLSClientConfig.ClientSessionCache = &c.sessions
	}
}

// giveUpAfter bounds how long a connection is in the making by how long a probe
// may take. Where a fleet falls into a black hole, connections that nobody waits
// for would pile up, several an endpoint.
func (c *client) giveUpAfter(timeout time.Duration) {
	if timeout == 0 || timeout+time.Second > maxDial {
		return
	}
	timeout += time.Second // the probe's own end comes first, and says why
	c.transport.TLSHandshakeTimeout = timeout
	dial := c.transport.DialContext
	c.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return dial(ctx, network, address)
	}
}

func proxySecrets(proxy *promconfig.ProxyConfig) []config.Secret {
	var secrets []config.Secret
	if proxy.ProxyURL.URL != nil && proxy.ProxyURL.User != nil {
		password, _ := proxy.ProxyURL.User.Password()
		secrets = append(secrets, config.NewSecret(password), basicPair(proxy.ProxyURL.User.Username(), password))
	}
	for _, values := range proxy.ProxyConnectHeader {
		for _, value := range values {
			secrets = append(secrets, config.NewSecret(string(value)))
		}
	}
	return secrets
}

// addHeaders adds the configured headers, files read afresh, and returns the
// secrets among them.
func (c *client) addHeaders(header http.Header) ([]config.Secret, error) {
	if c.headers == nil {
		return nil, nil
	}
	var secrets []config.Secret
	for name, h := range c.headers.Headers {
		for _, value := range h.Values {
			header.Add(name, value)
		}
		for _, secret := range h.Secrets {
			header.Add(name, string(secret))
			secrets = append(secrets, config.NewSecret(string(secret)))
		}
		for _, file := range h.Files {
			value, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading the http_headers file %q: %w", file, err)
			}
			text := strings.TrimSpace(string(value))
			if !httpguts.ValidHeaderFieldValue(text) {
				return nil, fmt.Errorf("the http_headers file %q has characters that no HTTP header can carry", file)
			}
			header.Add(name, text)
			secrets = append(secrets, config.NewSecret(text))
		}
	}
	return secrets, nil
}

// DialFunc makes a connection, as net.Dialer's DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// aging remembers when each connection was made, which http.Transport does not
// tell.
func (dial DialFunc) aging(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &agedConn{conn, time.Now()}, nil
}

type agedConn struct {
	net.Conn
	born time.Time
}

// born returns when a connection of ours was dialled.
func born(conn net.Conn) time.Time {
	if tlsConn, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tlsConn.NetConn()
	}
	if aged, ok := conn.(*agedConn); ok {
		return aged.born
	}
	return time.Time{}
}
