package cli

import (
	_ "embed"
	"regexp"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

//go:embed man.tmpl
var manPage string

// kingpin's own template does not escape texts, and lists only flags.
func init() { kingpin.ManPageTemplate = manPage }

// manFuncs are the functions of the template of --help-man.
var manFuncs = template.FuncMap{
	"BuildVersion": func() string { return version.Version },
	"BuildDate": func() string {
		date, _, _ := strings.Cut(version.BuildDate, "T")
		return date
	},
	"Roff": roff,
}

var code = regexp.MustCompile("`([^`]+)`")

// roff escapes a text for a line of a manual page. Code between backquotes becomes bold.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`).Replace(text)
	text = code.ReplaceAllString(text, `\fB$1\fR`)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text // not a request
	}
	return text
}
