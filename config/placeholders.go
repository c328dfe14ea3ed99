package config

import (
	"regexp"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi/custom"
)

// placeholders match what other tools replace in a file. A remaining one means that its
// tool did not run.
var placeholders = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_.]*([:?=+-][^}]*)?\}`), "contains ${…}, and variables are not expanded here; write the value, or use `password_env` or `token_env` for a secret"},
	{regexp.MustCompile(`^\$\([A-Za-z_][A-Za-z0-9_]*\)$`), "is $(…), and variables are not expanded here; write the value, or use `password_env` or `token_env` for a secret"},
	{regexp.MustCompile(`\{\{.*\}\}`), "contains {{…}}, which a template engine should have replaced"},
	{regexp.MustCompile(`<%.*%>`), "contains <%…%>, which a template engine should have replaced"},
	{regexp.MustCompile(`<path:[^>]*>`), "contains <path:…>, which the Argo CD Vault plugin should have replaced"},
	{regexp.MustCompile(`^\s*ENC\[.*\]\s*$`), "is ENC[…], which should have been decrypted"},
	// Does not match %AF%3C, which is part of a URL.
	{regexp.MustCompile(`^%[A-Za-z_][A-Za-z0-9_]*%$|%[A-Z_][A-Z0-9_]{2,}%`), "contains %…%, and variables are not expanded here; write the value, or use `password_env` or `token_env` for a secret"},
}

// pathKey matches the keys whose values are paths.
var pathKey = regexp.MustCompile(`_file$|\.files\[\d+\]$`)

// inspect warns about a decoded value that is most likely a mistake.
func (r *resolver) inspect(key strictyaml.Key, node *yaml.Node, target any) {
	switch value := target.(type) {
	case *strictyaml.Tree:
		r.warnOfPlaceholdersIn(key, value)
	case *custom.ExpressionText: // expressions have braces of their own
	default:
		r.warnOfPlaceholders(key, node.Line, node.Value)
	}
	switch target.(type) {
	case *secret.Secret, *promconfig.Secret:
		r.warnOfComment(key, node)
	}
}

// warnOfPlaceholders warns about placeholders of other tools in a value, except in the
// patterns of `metrics_deny`, which may look like them.
func (r *resolver) warnOfPlaceholders(key strictyaml.Key, line int, value string) {
	if strings.HasPrefix(string(key), "global.metrics_deny") {
		return
	}
	if pathKey.MatchString(string(key)) {
		value = strings.TrimPrefix(value, credentialsDirectory)
	}
	for _, p := range placeholders {
		if p.pattern.MatchString(value) {
			r.Report(strictyaml.Warning, key, strictyaml.Position{Line: line}, p.text)
			return
		}
	}
}

func (r *resolver) warnOfPlaceholdersIn(key strictyaml.Key, t *strictyaml.Tree) {
	r.warnOfPlaceholders(key, t.Line, t.Text)
	for i := range t.Items {
		r.warnOfPlaceholdersIn(key, &t.Items[i])
	}
}

// warnOfComment warns about a comment after an unquoted secret: a ` #` may be part of
// the secret.
func (r *resolver) warnOfComment(key strictyaml.Key, node *yaml.Node) {
	lines := r.lines[r.Position(key).File]
	if node.Kind != yaml.ScalarNode || node.Style&^yaml.TaggedStyle != 0 || node.Line > len(lines) {
		return
	}
	line := []rune(lines[node.Line-1])
	rest, found := strings.CutPrefix(string(line[min(node.Column-1, len(line)):]), node.Value)
	if found && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#") {
		r.Report(strictyaml.Warning, key, strictyaml.Position{Line: node.Line}, "a comment follows the secret; if the ` #` is part of it, put the secret in quotes")
	}
}
