package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// adhoc is a configuration built from flags.
type adhoc struct {
	flags    *adhocFlags
	document document
	settings *config.Config
	prompted bool // the password is typed
}

// configure returns a configuration for URLs. It asks for the password if the flags give
// a username, but neither a password file nor a token file.
func (f *adhocFlags) configure(ctx context.Context, urls []string, s streams) (*adhoc, error) {
	if err := f.check(urls); err != nil {
		return nil, err
	}
	a := &adhoc{flags: f, prompted: f.username != "" && f.passwordFile == "" && f.tokenFile == ""}
	if err := a.compose(urls); err != nil {
		return nil, err
	}
	if err := a.load(s.err); err != nil {
		return nil, err
	}
	if !a.prompted {
		return a, nil
	}
	// Last, so that mistakes in flags are reported first.
	password, err := readPassword(ctx, f.username, s)
	if err != nil {
		return nil, err
	}
	_, credential := only(a.settings.Credentials)
	credential.Secret = secret.Source{Inline: password, Typed: true}
	if _, err := credential.Secret.Read(); err != nil {
		return nil, fmt.Errorf("password: %w", errors.Unwrap(err))
	}
	return a, nil
}

// adhocCredential is the name of the only credential.
const adhocCredential = "account"

// compose builds the document.
func (a *adhoc) compose(urls []string) error {
	f := a.flags
	for _, file := range []*string{&f.passwordFile, &f.tokenFile, &f.caFile, &f.certFile, &f.keyFile} {
		if *file == "" {
			continue
		}
		absolute, err := filepath.Abs(*file) // errors about relative paths would mention a configuration file
		if err != nil {
			return err
		}
		*file = absolute
	}
	credential := documentCredential{Username: f.username, PasswordFile: f.passwordFile, TokenFile: f.tokenFile}
	if a.prompted {
		credential.Password = "typed later"
	}
	module := documentModule{
		API: f.api, Credential: adhocCredential, Auth: f.auth, Login: f.login, Timeout: f.timeout, ProxyURL: f.proxyURL,
		TLS:   documentTLS{CAFile: f.caFile, CertFile: f.certFile, KeyFile: f.keyFile, ServerName: f.serverName, InsecureSkipVerify: f.insecure},
		HTTP2: f.http2,
	}
	usual, _ := example(f.api)
	_, catalogued := only(usual.Modules)
	if f.auth == "" && f.tokenFile != "" && f.username == "" {
		module.Auth = catalogued.Auth // an API may accept tokens only as bearer tokens
	}
	module.Interval = catalogued.Interval
	// Some APIs lock an account after very few refusals.
	_, account := only(usual.Credentials)
	credential.LockoutGuard = account.LockoutGuard
	a.document = document{
		Credentials: map[string]documentCredential{adhocCredential: credential},
		Modules:     map[string]documentModule{f.api: module},
	}
	if _, builtIn := sessionapi.BuiltIn()[f.api]; !builtIn {
		a.document.APIs = usual.APIs
	}
	for _, address := range urls {
		endpoint := documentEndpoint{Name: endpointName(address), URL: address, Module: f.api}
		if !slices.Contains(a.document.Endpoints, endpoint) {
			a.document.Endpoints = append(a.document.Endpoints, endpoint)
		}
	}
	return nil
}

// endpointName returns the host, port and path of a URL, without a user or password.
func endpointName(address string) string {
	u, err := url.Parse(address)
	if err != nil || strictyaml.BadName(u.Host+u.Path) {
		return "URL" // the loader rejects it
	}
	return strings.TrimRight(u.Host+u.Path, "/")
}

// load loads the document, and prints its warnings if it is valid. Both errors and warnings
// name flags instead of keys.
func (a *adhoc) load(errOut io.Writer) error {
	text, err := a.document.text()
	if err != nil {
		return err
	}
	settings, found := config.CheckText(text, "flags")
	var failed, warnings []string
	for _, problem := range found {
		switch text := a.flags.blame(problem); {
		case problem.Severity != config.Warning:
			failed = append(failed, text)
		case !slices.Contains(warnings, text): // not already reported for another URL
			warnings = append(warnings, text)
		}
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(slices.Compact(failed), "\nsession_exporter: "))
	}
	for _, warning := range warnings {
		fmt.Fprintf(errOut, "session_exporter: warning: %s\n", warning)
	}
	a.settings = settings
	return nil
}

// hint prints, after a success, a configuration file with the same settings or, if the API is
// not built in, the command that prints one to start from. It shows no secrets.
func (a *adhoc) hint(out io.Writer) error {
	if a.document.APIs != nil {
		_, err := fmt.Fprintf(out, "\nTo keep watching, start from the configuration that `session_exporter init --api=%s` prints.\n", a.flags.api)
		return err
	}
	file, note := a.document, ""
	name, module := only(file.Modules)
	module.Login = maps.Clone(module.Login)
	for option, value := range module.Login {
		if secret.MayBeSecret(value) {
			module.Login[option] = secret.Masked
		}
	}
	if proxy, err := url.Parse(module.ProxyURL); err == nil {
		module.ProxyURL = proxy.Redacted()
	}
	_, credential := only(file.Credentials)
	if a.prompted {
		credential.Password, credential.PasswordFile = "", "password"
		note = ", and the password into the file `password` next to it"
	}
	file.Modules = map[string]documentModule{name: module}
	file.Credentials = map[string]documentCredential{adhocCredential: credential}
	text, err := file.text()
	if err == nil {
		_, err = fmt.Fprintf(out, "\nTo keep watching, put this into %s%s, and start session_exporter:\n\n%s", defaultConfigFile, note, text)
	}
	return err
}

// adapt replaces the keys in the results' advice with flags, and adds the login options that a
// rejected account may need. A nil adhoc changes nothing.
func (a *adhoc) adapt(results []collector.EndpointResult) {
	if a == nil {
		return
	}
	for i := range results {
		r := &results[i].Result
		r.Advice = a.flags.rename(r.Advice)
		if r.State == sessionapi.CredentialsRejected {
			r.Advice += a.adviseLogin()
		}
	}
}

// adviseLogin names the login options that were not given: an account of another directory
// looks like a wrong password.
func (a *adhoc) adviseLogin() string {
	_, module := only(a.settings.Modules)
	options := module.SessionAPI.Spec().LoginOptions
	var unset []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if _, set := a.flags.login[name]; !set {
			unset = append(unset, fmt.Sprintf("--login %s=%s", name, strings.Join(options[name], "|")))
		}
	}
	if len(unset) == 0 || a.settings.Endpoints[0].Auth != sessionapi.AuthLogin {
		return ""
	}
	return " The account may need " + strings.Join(unset, ", ") + "."
}
