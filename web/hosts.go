package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// hosts are the accepted host names; nil accepts all. If the name of another site resolves to
// our address (DNS rebinding), a browser lets that site's pages read our responses, but their
// requests still have that name in the Host header.
type hosts map[string]bool

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)

// parseHosts returns the names that the options accept. It fails on an invalid name.
func parseHosts(o *Options) (hosts, error) {
	if len(o.Hosts) == 0 {
		return nil, nil
	}
	allowed := hosts{"localhost": true}
	for _, list := range o.Hosts {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			normal := normalHost(name)
			if _, err := netip.ParseAddr(normal); err != nil && !hostName.MatchString(normal) {
				return nil, fmt.Errorf("--web.hosts has %q; it must be a host name such as exporter.example.com, without scheme, port or path", name)
			}
			allowed[normal] = true
		}
	}
	if o.ExternalURL != nil {
		allowed[normalHost(o.ExternalURL.Hostname())] = true
	}
	return allowed, nil
}

// normalHost returns a name in lower case, without the dot of the DNS root.
func normalHost(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// protect refuses requests for other names. It accepts IP addresses, because they are
// not subject to DNS rebinding, and requests for static files, which the refusal's page needs
// and which are the same in every exporter.
func (h hosts) protect(handler http.Handler, static string, refuse http.HandlerFunc) http.Handler {
	if h == nil {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.accept(r.Host) && !strings.HasPrefix(r.URL.Path, static) {
			refuse(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// accept reports whether requests with this Host header are served. It accepts an empty
// header, because HTTP/1.0 clients may omit it and browsers never do.
func (h hosts) accept(host string) bool {
	name := normalHost((&url.URL{Host: host}).Hostname())
	address, err := netip.ParseAddr(name)
	return err == nil && address.Zone() == "" || h[name] || host == ""
}
