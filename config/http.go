package config

import (
	"net/http"
	"net/url"
	"slices"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/net/http/httpguts"
)

// http returns how connections are made: what is said, over base. Who says
// nothing shares base.
func (l *loader) http(key string, base *HTTP, own settingsShape) *HTTP {
	if own.TLSConfig == nil && own.HTTPHeaders == nil && !l.saysProxy(key) {
		return base
	}
	block := *base
	if own.TLSConfig != nil {
		block.TLS = *own.TLSConfig
		l.tls(join(key, "tls_config"), &block.TLS)
		block.TLSFiles = Fingerprint(tlsFiles(&block.TLS)...)
	}
	if own.HTTPHeaders != nil {
		block.Headers = own.HTTPHeaders
		l.headers(join(key, "http_headers"), block.Headers)
	}
	if l.saysProxy(key) {
		block.Proxy = own.ProxyConfig
		l.checkProxy(key, own.ProxyConfig)
	}
	return &block
}

// saysProxy reports whether any of the proxy's keys is said, which replaces all.
func (l *loader) saysProxy(key string) bool {
	return slices.ContainsFunc([]string{"proxy_url", "proxy_from_environment", "no_proxy", "proxy_connect_header"},
		func(name string) bool { return l.said(join(key, name)) })
}

// tls resolves the files of a TLS block, and builds its configuration once, so
// that certificates and keys that cannot be used are known when the file is
// loaded.
func (l *loader) tls(key string, block *promconfig.TLSConfig) {
	sound := true
	for name, file := range map[string]*string{"ca": &block.CAFile, "cert": &block.CertFile, "key": &block.KeyFile} {
		inline := join(key, name)
		*file = l.readable(inline+"_file", *file)
		l.refuseRef(inline+"_ref", name+"_file")
		sound = sound && !l.wrong[inline] && !l.wrong[inline+"_file"] && !l.wrong[inline+"_ref"]
	}
	if !sound {
		return
	}
	if err := block.Validate(); err != nil {
		l.add(key, "%v", err)
	} else if block.MinVersion > block.MaxVersion && block.MaxVersion != 0 {
		l.add(join(key, "max_version"), "must not be below min_version")
	} else if _, err := promconfig.NewTLSConfig(block); err != nil {
		l.add(key, "%v; it takes PEM, and a key with its own certificate", err)
	}
}

const proxyWords = "an address such as http://proxy.example.com:3128"

func (l *loader) checkProxy(key string, proxy promconfig.ProxyConfig) {
	at := func(name string) string { return join(key, name) }
	u := proxy.ProxyURL.URL
	byURL := u != nil && *u != url.URL{} // `proxy_url: ""` is no proxy after all
	byEither := byURL || proxy.ProxyFromEnvironment
	// What is empty goes with anything, but alone it would take the proxy away.
	alone := !l.said(at("proxy_url")) && !l.said(at("proxy_from_environment"))
	switch {
	case l.wrong[at("proxy_url")]:
	case byURL && (!slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) || !goodHost(u)):
		l.add(at("proxy_url"), "must be "+proxyWords)
	case byURL && proxy.ProxyFromEnvironment:
		l.add(at("proxy_from_environment"), "there is a `proxy_url` already; keep one of them")
	case (proxy.NoProxy != "" && !byURL) || (alone && l.said(at("no_proxy"))):
		l.add(at("no_proxy"), "goes with a `proxy_url` in the same block, and there is none")
	case (len(proxy.ProxyConnectHeader) > 0 && !byEither) || (alone && l.said(at("proxy_connect_header"))):
		l.add(at("proxy_connect_header"), "goes with a `proxy_url` or `proxy_from_environment` in the same block, and there is none")
	}
	for name, values := range proxy.ProxyConnectHeader {
		header := join(at("proxy_connect_header"), name)
		l.checkHeaderName(header, name)
		checkHeaderValues(l, header, values)
	}
}

func (l *loader) headers(key string, headers *promconfig.Headers) {
	for name, header := range headers.Headers {
		at := join(key, name)
		own := http.CanonicalHeaderKey(name)
		if _, reserved := promconfig.ReservedHeaders[own]; reserved || (slices.Contains(ownHeaders, own) && own != "Cookie") {
			l.add(at, "cannot be set here, it is made from the other settings; remove it")
		}
		l.checkHeaderName(at, name)
		checkHeaderValues(l, join(at, "values"), header.Values)
		checkHeaderValues(l, join(at, "secrets"), header.Secrets)
		for i, file := range header.Files {
			header.Files[i] = l.readable(index(join(at, "files"), i), file)
		}
		if len(header.Values)+len(header.Secrets)+len(header.Files) == 0 && !l.wrong[join(at, "secrets")] && !l.wrong[join(at, "files")] {
			l.needs(at, "values", "needs `values`, `secrets` or `files`")
		}
	}
}

// checkSessionHeaders refuses headers that the API's session would replace.
func (l *loader) checkSessionHeaders(key string, s Settings, own settingsShape) {
	if s.HTTP.Headers == nil || (own.HTTPHeaders == nil && own.API == "") {
		return
	}
	for name := range s.HTTP.Headers.Headers {
		if slices.Contains(l.apis[s.API].SessionHeaders, http.CanonicalHeaderKey(name)) {
			l.add(join(key, name), "carries the session of api %s; remove it", s.API)
		}
	}
}

func (l *loader) checkHeaderName(key, name string) {
	if !httpguts.ValidHeaderFieldName(name) {
		l.add(key, "not a header's name; use letters, digits and dashes")
	}
}

func (l *loader) checkHeaderValue(key, value string) {
	if !httpguts.ValidHeaderFieldValue(value) {
		l.add(key, "has a line break or another character that no HTTP header can carry")
	}
}

func checkHeaderValues[S ~string](l *loader, key string, values []S) {
	for i, value := range values {
		l.checkHeaderValue(index(key, i), string(value))
	}
}
