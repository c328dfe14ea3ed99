package http1

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/url"

	"golang.org/x/net/http/httpguts"
)

// dial connects without the TLS handshake.
func (t *Transport) dial(ctx context.Context, u *url.URL) (*conn, error) {
	host, err := httpguts.PunycodeHostPort(u.Hostname())
	if err != nil {
		return nil, err
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	raw, err := t.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw, transport: t, origin: originOf(u), system: systemConn(raw)}
	if u.Scheme == "https" {
		settings := t.TLSClientConfig.Clone()
		settings.ServerName = cmp.Or(settings.ServerName, host)
		c.Conn = tls.Client(raw, settings)
	}
	return c, nil
}

// SelectsHTTP2 reports whether a server selects HTTP/2 if only that is offered. It makes a
// connection of its own, and sends no request.
func (t *Transport) SelectsHTTP2(ctx context.Context, u *url.URL) bool {
	settings := t.TLSClientConfig.Clone()
	settings.NextProtos = []string{"h2"}
	other := &Transport{DialContext: t.DialContext, TLSClientConfig: settings}
	c, err := other.dial(ctx, u)
	if err != nil || c.secure(ctx, new(httptrace.ClientTrace)) != nil {
		return false
	}
	_ = c.Close() // no request was sent on it
	return c.tls.NegotiatedProtocol == "h2"
}

// secure performs the TLS handshake if the scheme is https. It closes the connection on
// failure.
func (c *conn) secure(ctx context.Context, trace *httptrace.ClientTrace) error {
	var err error
	if secured, ok := c.Conn.(*tls.Conn); ok {
		if trace.TLSHandshakeStart != nil {
			trace.TLSHandshakeStart()
		}
		err = secured.HandshakeContext(ctx)
		c.tls = new(secured.ConnectionState())
		if trace.TLSHandshakeDone != nil {
			trace.TLSHandshakeDone(*c.tls, err)
		}
	}
	if err = cmp.Or(ctx.Err(), err); err != nil {
		_ = c.raw.Close() // no request was sent on it
	}
	return err
}
