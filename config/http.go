package config

import (
	"net/http"
	"net/url"
	"slices"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// http returns the connection settings that are set, over base. If none is set, base is
// shared.
func (r *resolver) http(key strictyaml.Key, base *HTTP, own rawSettings) *HTTP {
	if own.TLSConfig == nil && own.HTTPHeaders == nil && own.EnableHTTP2 == nil && !r.setsProxy(key) {
		return base
	}
	block := *base
	if own.TLSConfig != nil {
		block.TLS = *own.TLSConfig
		r.tls(key.Field("tls_config"), &block.TLS)
		block.TLSFiles = fingerprint(r.files, tlsFiles(&block.TLS))
	}
	if own.HTTPHeaders != nil {
		block.Headers = own.HTTPHeaders
		r.headers(key.Field("http_headers"), block.Headers)
	}
	if own.EnableHTTP2 != nil {
		block.EnableHTTP2 = *own.EnableHTTP2
	}
	if r.setsProxy(key) {
		block.Proxy = own.ProxyConfig
		r.checkProxy(key, own.ProxyConfig)
	}
	return &block
}

// setsProxy reports whether any proxy key is set, which replaces all of them.
func (r *resolver) setsProxy(key strictyaml.Key) bool {
	return slices.ContainsFunc([]string{"proxy_url", "proxy_from_environment", "no_proxy", "proxy_connect_header"},
		func(name string) bool { return r.IsSet(key.Field(name)) })
}

// tls resolves the files of a TLS block and builds its configuration once, so that
// unusable certificates and keys are found when the file is loaded.
func (r *resolver) tls(key strictyaml.Key, block *promconfig.TLSConfig) {
	valid := true
	for name, file := range map[string]*string{"ca": &block.CAFile, "cert": &block.CertFile, "key": &block.KeyFile} {
		inline := key.Field(name)
		r.checkPEM(inline+"_file", *file)
		*file = r.absolute(inline+"_file", *file)
		r.rejectRef(inline+"_ref", name+"_file")
		valid = valid && !r.Invalid(inline) && !r.Invalid(inline+"_file") && !r.Invalid(inline+"_ref")
	}
	if !valid {
		return
	}
	if err := block.Validate(); err != nil {
		r.Add(key, "%v", err)
	} else if block.MinVersion > block.MaxVersion && block.MaxVersion != 0 {
		r.Add(key.Field("max_version"), "must not be below min_version")
	} else if _, err := newTLSConfig(block, r.files); err != nil {
		r.Add(key, "%v", tlsProblem(err))
	}
}

func (r *resolver) checkProxy(key strictyaml.Key, proxy promconfig.ProxyConfig) {
	at := key.Field
	u := proxy.ProxyURL.URL
	byURL := u != nil && *u != url.URL{} // `proxy_url: ""` disables the proxy
	byEither := byURL || proxy.ProxyFromEnvironment
	// An empty no_proxy or proxy_connect_header conflicts with no other key. Alone, it would
	// replace the module's proxy with none.
	alone := !r.IsSet(at("proxy_url")) && !r.IsSet(at("proxy_from_environment"))
	switch {
	case r.Invalid(at("proxy_url")):
	case byURL && (!slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) || !goodHost(u)):
		r.Add(at("proxy_url"), "must be "+proxyWords)
	case byURL && proxy.ProxyFromEnvironment:
		r.Add(at("proxy_from_environment"), "conflicts with `proxy_url`; keep one of them")
	case (proxy.NoProxy != "" && !byURL) || (alone && r.IsSet(at("no_proxy"))):
		r.Add(at("no_proxy"), "requires a `proxy_url` in the same block")
	case (len(proxy.ProxyConnectHeader) > 0 && !byEither) || (alone && r.IsSet(at("proxy_connect_header"))):
		r.Add(at("proxy_connect_header"), "requires a `proxy_url` or `proxy_from_environment` in the same block")
	}
	for name, values := range proxy.ProxyConnectHeader {
		header := at("proxy_connect_header").Field(name)
		r.AddProblem(header, sessionapi.HeaderNameProblem(name))
		checkHeaderValues(r, header, values)
	}
}

func (r *resolver) headers(key strictyaml.Key, headers *promconfig.Headers) {
	for name, header := range headers.Headers {
		at := key.Field(name)
		canonical := http.CanonicalHeaderKey(name)
		if _, reserved := promconfig.ReservedHeaders[canonical]; reserved || (sessionapi.IsReservedHeader(name) && canonical != "Cookie") {
			r.Add(at, "is set from other settings; remove it")
		}
		r.AddProblem(at, sessionapi.HeaderNameProblem(name))
		checkHeaderValues(r, at.Field("values"), header.Values)
		checkHeaderValues(r, at.Field("secrets"), header.Secrets)
		for i, file := range header.Files {
			header.Files[i] = r.absolute(at, file)
			if file != "" {
				r.checkSecret(at.Field("files").Item(i), file, secret.FromFile(header.Files[i], r.files))
			}
		}
		if len(header.Values)+len(header.Secrets)+len(header.Files) == 0 && !r.Invalid(at.Field("secrets")) && !r.Invalid(at.Field("files")) {
			r.Require(at, "values", "needs `values`, `secrets` or `files`")
		}
	}
}

// checkSessionHeaders rejects headers that the API's session, or a token, would replace.
func (r *resolver) checkSessionHeaders(key strictyaml.Key, s Settings, own rawSettings) {
	if s.HTTP.Headers == nil || (own.HTTPHeaders == nil && own.API == "" && own.TokenHeader == "") {
		return
	}
	for name := range s.HTTP.Headers.Headers {
		if http.CanonicalHeaderKey(name) == s.TokenHeader {
			r.Add(key.Field(name), "is the `token_header`; remove it")
		} else if slices.Contains(r.specs[s.API].SessionHeaders, http.CanonicalHeaderKey(name)) {
			r.Add(key.Field(name), "carries the session of %s; remove it", r.apiName(s.API))
		}
	}
}
