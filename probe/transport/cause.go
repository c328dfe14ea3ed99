package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"session_exporter/probe/transport/http1"
)

// noCommonProtocol is the TLS alert of a server that supports none of the protocols that
// the client offers (RFC 7301, 3.2).
const noCommonProtocol tls.AlertError = 120

// mayNeedHTTP2 reports whether the server closed a new connection without a response, and did
// not confirm that it speaks HTTP/1.1: servers written in Go do that if they speak only
// HTTP/2.
func (x *Exchange) mayNeedHTTP2() bool {
	return x.noALPN && !x.http2 && !x.Reused && x.Response.Status == 0 && x.FirstByte.IsZero() &&
		(errors.Is(x.Err, io.EOF) || errors.Is(x.Err, io.ErrUnexpectedEOF) || errors.Is(x.Err, syscall.ECONNRESET))
}

// maxHTTP2Wait limits the time to find out whether a server speaks HTTP/2.
const maxHTTP2Wait = 2 * time.Second

// selectsHTTP2 reports whether a server selects HTTP/2 if that is offered.
func (c *Client) selectsHTTP2(ctx context.Context, server *url.URL) bool {
	t, ok := c.Transport.(*http1.Transport)
	if !ok {
		return false // net/http's transport, for a proxy for instance
	}
	ctx, cancel := context.WithTimeout(ctx, maxHTTP2Wait)
	defer cancel()
	return t.SelectsHTTP2(ctx, server)
}

// NeedsHTTP2 reports whether the server refuses HTTP/1.1, and HTTP/2 was not offered.
func (x *Exchange) NeedsHTTP2() bool {
	if x.http2 {
		return false
	}
	alert, ok := errors.AsType[*net.OpError](x.Err)
	return ok && alert.Op == "remote error" && alert.Err.Error() == noCommonProtocol.Error() ||
		x.onlyHTTP2 || errors.Is(x.Err, http1.ErrHTTP2) || x.Response.Status == http.StatusHTTPVersionNotSupported
}

// Cause strips the layers of a network error that only repeat the address.
func Cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		if op.Op == "remote error" { // the other side failed the handshake
			return fmt.Errorf("%s: %w", op.Op, op.Err)
		}
		return op.Err
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the other side closed the connection")
	}
	return err
}
