package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	"golang.org/x/net/http/httpguts"

	"session_exporter/config"
	"session_exporter/probe/direct"
)

// maxBody is how much of a body is read, decompressed.
const maxBody = 1 << 20

// maxDial bounds how long a connection may be in the making, and again its TLS
// handshake, where it is not known how long its probe takes.
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
	transport interface {
		http.RoundTripper
		CloseIdleConnections()
	}
	sessions tlsSessions
	headers  *promconfig.Headers
	// proxySecrets are those that the proxy is sent.
	proxySecrets []config.Secret
}

// The bounds of both transports.
const (
	// Longer than any sane interval. What should be closed earlier is closed by its
	// age.
	maxIdleTime = 5 * time.Minute
	// Two endpoints may be at one host.
	maxIdlePerHost = 2
	maxHeaderBytes = 64 << 10
)

// newClient returns a client for probes that take so long at most, 0 if that is not
// known.
func newClient(settings *config.HTTP, dial DialFunc, longest time.Duration) (*client, error) {
	tlsConfig, err := promconfig.NewTLSConfig(&settings.TLS)
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	proxy := settings.Proxy
	c := &client{headers: settings.Headers, proxySecrets: proxySecrets(&proxy)}
	making := makingTime(longest)
	if proxy.Proxy() != nil || !direct.Notices {
		transport := standardTransport(tlsConfig, &proxy, dial, making)
		transport.DisableCompression = true // see unpacked
		c.transport = transport
	} else {
		c.transport = &direct.Transport{
			DialContext:            dial.within(making).aging,
			TLSClientConfig:        tlsConfig,
			IdleConnTimeout:        maxIdleTime,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxResponseHeaderBytes: maxHeaderBytes,
			SessionCache:           c.sessions.cacheOf,
		}
	}
	return c, nil
}

// standardTransport returns net/http's, which knows all kinds of proxies. It resumes
// no TLS sessions: it could not tell a proxy's from an appliance's.
func standardTransport(tlsConfig *tls.Config, proxy *promconfig.ProxyConfig, dial DialFunc, making time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:            dial.within(making).aging,
		Proxy:                  proxy.Proxy(),
		ProxyConnectHeader:     proxy.GetProxyConnectHeader(),
		OnProxyConnectResponse: connected,
		TLSClientConfig:        tlsConfig,
		// A connection is made in the background and outlives a request that
		// gave up: without a bound, one that hangs would stay for ever.
		TLSHandshakeTimeout:    making,
		IdleConnTimeout:        maxIdleTime,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		ReadBufferSize:         1 << 10, // all of an answer, and a fourth of the default
		WriteBufferSize:        1 << 10,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// makingTime returns how long a connection may be in the making, for probes that take
// so long at most. Where a fleet falls into a black hole, connections that nobody
// waits for would pile up, several an endpoint.
func makingTime(longest time.Duration) time.Duration {
	if longest == 0 {
		return maxDial
	}
	return longest + time.Second // the probe's own end comes first, and says why
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
			value, err := config.ReadFile(file)
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

// within bounds how long a connection may be in the making by that alone, and not by
// ctx's deadline: net.Dialer would divide that among a host's addresses, however far
// it is, and tell that it has passed in words of its own, before ctx knows of it.
func (dial DialFunc) within(timeout time.Duration) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return dial(bounded, network, address)
	}
}

// aging remembers what agedConn does, which transports do not tell.
func (dial DialFunc) aging(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &agedConn{Conn: conn, certified: time.Now()}, nil
}

// agedConn is a connection that knows how old what it says of the certificate is.
type agedConn struct {
	net.Conn
	// certified is when the certificate was shown: when the connection was made, or
	// the one before it whose TLS session it resumes.
	certified time.Time
	session   *tlsSession // to resume and to replace; nil where none is
}

// NetConn returns the connection within, as tls.Conn's does.
func (c *agedConn) NetConn() net.Conn { return c.Conn }

// certified returns when an appliance showed its certificate to a connection of ours.
func certified(conn net.Conn) time.Time {
	if aged := layer[*agedConn](conn); aged != nil {
		return aged.certified
	}
	return time.Time{}
}

// layer returns the connection of a type that is within another, nil when none is.
func layer[T net.Conn](conn net.Conn) (none T) {
	for {
		if found, ok := conn.(T); ok {
			return found
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return none
		}
		conn = outer.NetConn()
	}
}
