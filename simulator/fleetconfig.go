package simulator

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A module is an entry of the configuration's modules.
type module struct {
	name       string
	api        string
	credential string
	auth       string // empty: login, the default with a password
	role       string // expected role; empty: none
}

func modules() []module {
	return []module{
		{name: "hcx", api: "hcx", credential: "hcx-monitor"},
		{name: "hcx-basic", api: "hcx", credential: "hcx-monitor", auth: "basic"},
		{name: "hcx-bearer", api: "hcx", credential: "hcx-healthy-bearer", auth: "bearer"},
		{name: "hcx-token", api: "hcx", credential: "hcx-token-expires", auth: "token"},
		{name: "hcx-roles", api: "hcx", credential: "hcx-role-lost", role: "System Administrator"},
		{name: "hcx-hybridity", api: "hcx-hybridity", credential: "hybridity-healthy"},
		{name: "dr", api: "dr", credential: "dr-monitor"},
		{name: "dr-token", api: "dr", credential: "dr-nobody", auth: "token"},
	}
}

// tokens reports whether the module's credentials are tokens rather than passwords.
func (m module) tokens() bool { return m.auth == "token" || m.auth == "bearer" }

// Config returns the exporter's configuration (YAML) for this fleet. Intervals are short,
// to show changes quickly. It names the secrets' files and has no secret.
func (f *Fleet) Config() string {
	var b strings.Builder
	b.WriteString("# The exporter's configuration for simulated appliances.\n")
	b.WriteString("global:\n  interval: 2s\n  timeout: 1s\n")
	f.writeCredentials(&b)
	f.writeModules(&b)
	f.writeEndpoints(&b)
	return b.String()
}

// ProbeCommand returns the command that probes the first appliance without a
// configuration.
func (f *Fleet) ProbeCommand() string {
	m := f.members[0]
	return fmt.Sprintf("session_exporter probe %s --api=%s --username=%s --password-file=%s --ca-file=%s", m.URL, m.API, user, m.file, filepath.Join(f.dir, caFile))
}

func (f *Fleet) writeCredentials(b *strings.Builder) {
	tokens := map[string]bool{} // by module
	for _, m := range modules() {
		tokens[m.name] = m.tokens()
	}
	written := map[string]bool{}
	b.WriteString("\ncredentials:\n")
	for _, m := range f.members {
		name := m.spec.credential()
		if written[name] {
			continue
		}
		written[name] = true
		fmt.Fprintf(b, "  %s:\n", name)
		if tokens[m.spec.module] {
			fmt.Fprintf(b, "    token_file: %q\n", m.file)
		} else {
			fmt.Fprintf(b, "    username: %s\n    password_file: %q\n", user, m.file)
		}
		if m.spec.maxAge != "" {
			fmt.Fprintf(b, "    max_age: %s\n", m.spec.maxAge)
		}
	}
}

func (f *Fleet) writeModules(b *strings.Builder) {
	ca := strings.ReplaceAll(strings.TrimSpace(f.ca.PEM()), "\n", "\n        ")
	b.WriteString("\nmodules:\n")
	for _, m := range modules() {
		fmt.Fprintf(b, "  %s:\n    api: %s\n    credential: %s\n", m.name, m.api, m.credential)
		switch {
		case m.auth != "":
			fmt.Fprintf(b, "    auth: %s\n", m.auth)
		case m.api == "hcx-hybridity": // without a logout, its sessions are replaced rarely
		default:
			// More than the 20 s after which hcx-session-dies ends its sessions, to
			// show renewal; less than the 180 s for which the secret of
			// hcx-password-rotated is out of date, to show that a held session cannot
			// hide that. The difference, 155 s, exceeds the 90 s after which
			// SessionCredentialsRejected fires.
			b.WriteString("    session_max_age: 25s\n")
		}
		if m.role != "" {
			fmt.Fprintf(b, "    expect:\n      roles: [%q]\n", m.role)
		}
		fmt.Fprintf(b, "    tls_config:\n      ca: |\n        %s\n", ca)
	}
}

func (f *Fleet) writeEndpoints(b *strings.Builder) {
	sites := []string{"dublin", "oslo", "porto"}
	b.WriteString("\nendpoints:\n")
	for i, m := range f.members {
		fmt.Fprintf(b, "  # %s\n", m.Summary)
		fmt.Fprintf(b, "  - name: %s\n    url: %s\n", m.Name, m.URL)
		fmt.Fprintf(b, "    module: %s\n    credential: %s\n", m.spec.module, m.spec.credential())
		fmt.Fprintf(b, "    labels: {site: %s, kind: %s}\n", sites[i%len(sites)], m.spec.kind)
	}
}
