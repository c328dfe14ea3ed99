package transport

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"session_exporter/probe/transport/http1"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// Request is what an exchange sends, in addition to the configured headers.
type Request struct {
	Method      string
	URL         *url.URL
	Shown       *url.URL // shown instead of URL if that has a secret, else nil
	Body        []byte   // nil if empty
	ContentType string   // of the body; JSON if empty

	// Header is overridden by the configured headers; Authorization overrides both.
	// Cookies are merged.
	Header        map[string]string
	Authorization []sessionapi.AuthHeader

	Lease *Lease // the lease to use; nil for any connection
	Close bool   // close the connection after the exchange

	// Once is set for a request with the account's secret. A transport must not repeat
	// it, whatever its method, because the first may have been refused.
	Once bool
	// Idempotent allows a transport to repeat the request, whatever its method, if the
	// appliance closes a kept connection.
	Idempotent bool

	// MaxBodyWait limits the wait for the body of a response whose status decides, see
	// Exchange.StatusDecides; 0 means no limit.
	MaxBodyWait time.Duration
}

// Prepare returns an exchange that is ready to be sent. If a header file cannot be
// read, the exchange has the error and is Unsent.
func (c *Client) Prepare(r Request) Exchange {
	x := Exchange{Method: r.Method, URL: cmp.Or(r.Shown, r.URL), Start: time.Now(), maxBodyWait: r.MaxBodyWait, once: r.Once, http2: c.http2}
	x.Response.URL = r.URL
	var err error
	if x.Header, x.Secrets, err = c.header(&r); err != nil {
		x.Err, x.Unsent, x.End = err, true, time.Now()
		return x
	}
	x.client, x.transport = c, c.Transport
	if r.Lease != nil {
		x.transport = r.Lease
	}
	x.request = &http.Request{Method: r.Method, URL: r.URL, Host: hostHeader(r.URL), Header: x.Header, Close: r.Close}
	if body := r.Body; body != nil {
		x.request.ContentLength = int64(len(body))
		// GetBody lets the transport repeat the request if a kept connection turns out
		// to be closed before anything was written.
		x.request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		x.request.Body, _ = x.request.GetBody()
	}
	if r.Once && http1.IsSafe(r.Method) {
		// Without GetBody, transports do not repeat the request. An empty body is not
		// written.
		x.request.Body, x.request.GetBody = io.NopCloser(bytes.NewReader(r.Body)), nil
	}
	return x
}

// hostHeader returns a URL's host, without a default port: virtual hosts are often
// configured by name alone.
func hostHeader(target *url.URL) string {
	if target.Scheme == "http" {
		return strings.TrimSuffix(target.Host, ":80")
	}
	return strings.TrimSuffix(target.Host, ":443")
}

// header returns all headers of a request, including the configured ones, and the secrets in
// the configured headers and those that are sent to the proxy.
func (c *Client) header(r *Request) (http.Header, []secret.Secret, error) {
	header := make(http.Header, 7)
	secrets, err := c.addHeaders(header)
	if err != nil {
		return nil, nil, err
	}
	for name, value := range r.Header {
		if name = http.CanonicalHeaderKey(name); header[name] == nil {
			header[name] = []string{value}
		}
	}
	for name, values := range defaultHeaders {
		if header[name] == nil {
			header[name] = values
		}
	}
	if r.Body != nil {
		header["Content-Type"] = []string{cmp.Or(r.ContentType, "application/json")}
	}
	for _, h := range r.Authorization {
		values := []string{h.Value.Reveal()}
		if h.Name == "Cookie" { // a request has a single Cookie header (RFC 6265, 5.4)
			values = []string{strings.Join(append(header["Cookie"], values...), "; ")}
		}
		header[h.Name] = values
	}
	if r.Idempotent {
		header["Idempotency-Key"] = nil // not sent: a hint to the transport
	}
	return header, append(secrets, c.proxySecrets...), nil
}
