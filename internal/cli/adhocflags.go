package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/config"
	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// adhocFlags describe an endpoint that is not in a configuration file. They become a
// document, which the loader checks like any file.
type adhocFlags struct {
	texts    []adhocFlag
	login    map[string]string
	insecure bool
	http2    bool

	api, username, passwordFile, tokenFile, auth string
	caFile, certFile, keyFile, serverName        string
	proxyURL, timeout                            string
}

// adhocFlag is a flag with a text, and its key in a configuration.
type adhocFlag struct {
	name, key, help, placeHolder string
	value                        *string
}

func addAdhocFlags(cmd *kingpin.CmdClause) *adhocFlags {
	f := &adhocFlags{login: make(map[string]string)}
	f.texts = []adhocFlag{
		{"api", "api", "For a URL: its session API; `apis` lists them.", "<name>", &f.api},
		{"username", "username", "For a URL: the account's name. Without --password-file, the password is asked for.", "<name>", &f.username},
		{"password-file", "password_file", "For a URL: path of a file with the password.", "<path>", &f.passwordFile},
		{"token-file", "token_file", "For a URL: path of a file with a session token or bearer token, instead of --username.", "<path>", &f.tokenFile},
		{"auth", "auth", "For a URL: how to authenticate; the default follows from the kind of secret. One of: " + strictyaml.Join(sessionapi.Auths()) + ".", "<method>", &f.auth},
		{"ca-file", "ca_file", "For a URL: path of the CA certificates to trust, instead of the system's.", "<path>", &f.caFile},
		{"cert-file", "cert_file", "For a URL: path of a client certificate.", "<path>", &f.certFile},
		{"key-file", "key_file", "For a URL: path of the client certificate's private key.", "<path>", &f.keyFile},
		{"server-name", "server_name", "For a URL: the name in the server's certificate, if that is not the host.", "<name>", &f.serverName},
		{"proxy-url", "proxy_url", "For a URL: address of the proxy to use.", "<url>", &f.proxyURL},
		{"timeout", "timeout", "For a URL: limit of a whole probe.", "10s", &f.timeout},
	}
	for _, flag := range f.texts {
		clause := cmd.Flag(flag.name, flag.help).PlaceHolder(flag.placeHolder)
		switch flag.name {
		case "api":
			clause.HintAction(config.APINames)
		case "auth":
			clause.HintOptions(strings.Split(strictyaml.Join(sessionapi.Auths()), ", ")...)
		}
		clause.StringVar(flag.value)
	}
	cmd.Flag("insecure-skip-verify", "For a URL: accept any certificate.").BoolVar(&f.insecure)
	cmd.Flag("enable-http2", "For a URL: offer HTTP/2.").BoolVar(&f.http2)
	cmd.Flag("login", "For a URL: a login option of the API, such as auth_type=vsphere for hcx. Repeatable.").PlaceHolder("<option>=<value>").SetValue(loginOptions(f.login))
	return f
}

// loginOptions is the value of --login. The errors of the parser's own maps do not name the
// flag, and they quote the value, which may be a secret.
type loginOptions map[string]string

// String implements kingpin.Value.
func (o loginOptions) String() string { return "" }

// IsCumulative makes the flag repeatable.
func (o loginOptions) IsCumulative() bool { return true }

// Set implements kingpin.Value.
func (o loginOptions) Set(text string) error {
	option, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("--login must be <option>=<value>, such as auth_type=vsphere")
	}
	o[option] = value
	return nil
}

// isURL reports whether an argument of probe is a URL rather than a name.
func isURL(argument string) bool { return strings.Contains(argument, "://") }

// given returns the first flag that is set, or an empty string.
func (f *adhocFlags) given() string {
	for _, flag := range f.texts {
		if *flag.value != "" {
			return "--" + flag.name
		}
	}
	switch {
	case f.insecure:
		return "--insecure-skip-verify"
	case f.http2:
		return "--enable-http2"
	case len(f.login) > 0:
		return "--login"
	default:
		return ""
	}
}

// check reports missing flags and an unknown API. The loader would report them as keys of a
// configuration.
func (f *adhocFlags) check(urls []string) error {
	known := knownAPIs()
	switch {
	case f.api == "":
		hint := ""
		if likely := likelyAPIs(urls[0]); len(likely) > 0 {
			hint = fmt.Sprintf(", for this URL probably --api=%s", strings.Join(likely, " or --api="))
		}
		return fmt.Errorf("a URL requires --api%s; it must be one of: %s", hint, strings.Join(config.APINames(), ", "))
	case !known[f.api]:
		return fmt.Errorf("--api: unknown API%s", strictyaml.Suggest(f.api, known))
	case f.username == "" && f.passwordFile != "":
		return errors.New("--password-file requires --username")
	case f.username == "" && f.tokenFile == "":
		return errors.New("a URL requires --username, with --password-file or a terminal on which to type the password, or --token-file")
	}
	return nil
}

// blame describes a problem in the document as a problem with the flag that caused it.
func (f *adhocFlags) blame(problem config.Problem) string {
	_, field, _ := strings.Cut(problem.Key, "].")
	if field == "" {
		_, field, _ = strings.Cut(problem.Key, ".")
		_, field, _ = strings.Cut(field, ".") // below the name of an entry
	}
	cause := field
	switch last := field[strings.LastIndex(field, ".")+1:]; {
	case field == "url":
		cause = "URL"
	case field == "name":
		return "two URLs have the same host and path; remove one"
	case strings.HasPrefix(field, "login."):
		cause = "--login=" + last
	case last == "insecure_skip_verify":
		cause = "--insecure-skip-verify"
	case field == "tls_config":
		cause = f.firstOf("ca-file", "cert-file", "key-file")
	case field == "credential":
		cause = f.firstOf("token-file", "password-file", "username")
	default:
		for _, flag := range f.texts {
			if flag.key == last {
				cause = "--" + flag.name
			}
		}
	}
	return cause + ": " + f.rename(problem.Text)
}

// firstOf returns the first of some flags that is set.
func (f *adhocFlags) firstOf(names ...string) string {
	for _, name := range names {
		for _, flag := range f.texts {
			if flag.name == name && *flag.value != "" {
				return "--" + name
			}
		}
	}
	return "flags"
}

// rename replaces the keys in a text with their flags.
func (f *adhocFlags) rename(text string) string {
	pairs := []string{
		"`credentials`", "`--username` and `--password-file`",
		"`url`", "the URL",
		"`login`", "`--login`",
	}
	for _, flag := range f.texts {
		pairs = append(pairs, "`"+flag.key+"`", "`--"+flag.name+"`", "`tls_config."+flag.key+"`", "`--"+flag.name+"`")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
