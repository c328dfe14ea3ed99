package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// proxyRefusal is a proxy's answer that it does not lead to the appliance.
type proxyRefusal struct {
	proxy, status string
	code          int
}

func (r *proxyRefusal) Error() string {
	return fmt.Sprintf("the proxy %s answered %s", r.proxy, r.status)
}

// connected judges a proxy's answer to CONNECT, as http.Transport asks. By itself
// that would only give the status' text, as if it were the appliance's.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{proxy.Host, answer.Status, answer.StatusCode}
}

// refusedByProxy reports whether a proxy did not accept its own password, which is
// not to be repeated at every interval: proxies lock accounts too.
func (x *exchange) refusedByProxy() bool {
	refusal, isRefusal := errors.AsType[*proxyRefusal](x.err)
	return isRefusal && refusal.code == http.StatusProxyAuthRequired || x.answer.Status == http.StatusProxyAuthRequired
}

// notThroughProxy reports whether a proxy was reached, and did not lead to the
// appliance.
func (x *exchange) notThroughProxy() bool {
	_, isRefusal := errors.AsType[*proxyRefusal](x.err)
	return isRefusal || x.refusedByProxy()
}

// atProxy reports whether it was the proxy that could not be connected to.
func atProxy(err error) bool {
	opErr, isOp := errors.AsType[*net.OpError](err)
	return isOp && opErr.Op == "proxyconnect"
}
