package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/net/http/httpproxy"

	"session_exporter/secret"
)

// proxyRefusal is a proxy's response to CONNECT that is not 200.
type proxyRefusal struct {
	proxy, status string
	code          int
}

func (r *proxyRefusal) Error() string {
	return fmt.Sprintf("the proxy %s responded with %s", r.proxy, r.status)
}

// checkConnect returns an error for a proxy's response to CONNECT that is not 200.
// http.Transport's own error has only the status text, as if the appliance had sent it.
func checkConnect(_ context.Context, proxy *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{proxy.Host, response.Status, response.StatusCode}
}

// RefusedByProxy reports whether a proxy rejected the proxy password, which must not be
// sent again at every interval: proxies lock accounts too.
func (x *Exchange) RefusedByProxy() bool {
	refusal, isRefusal := errors.AsType[*proxyRefusal](x.Err)
	return isRefusal && refusal.code == http.StatusProxyAuthRequired || x.Response.Status == http.StatusProxyAuthRequired
}

// NotThroughProxy reports whether a proxy was reached but did not connect to the
// appliance.
func (x *Exchange) NotThroughProxy() bool {
	_, isRefusal := errors.AsType[*proxyRefusal](x.Err)
	return isRefusal || x.RefusedByProxy()
}

// FailedAtProxy reports whether the connection to the proxy failed.
func (x *Exchange) FailedAtProxy() bool {
	opErr, isOp := errors.AsType[*net.OpError](x.Err)
	return isOp && opErr.Op == "proxyconnect"
}

// proxySecrets returns the secrets that are sent to a proxy.
func proxySecrets(proxy *promconfig.ProxyConfig) []secret.Secret {
	var secrets []secret.Secret
	add := func(user *url.Userinfo) {
		if user == nil {
			return
		}
		if password, ok := user.Password(); ok {
			secrets = append(secrets, secret.New(password))
		} else {
			secrets = append(secrets, secret.New(user.Username())) // may be a token
		}
	}
	if proxy.ProxyURL.URL != nil {
		add(proxy.ProxyURL.User)
	}
	if proxy.ProxyFromEnvironment {
		environment := httpproxy.FromEnvironment()
		for _, text := range []string{environment.HTTPProxy, environment.HTTPSProxy} {
			if !strings.Contains(text, "://") {
				text = "http://" + text
			}
			if u, err := url.Parse(text); err == nil {
				add(u.User)
			}
		}
	}
	for _, values := range proxy.ProxyConnectHeader {
		for _, value := range values {
			secrets = append(secrets, secret.New(string(value)))
		}
	}
	return secrets
}
