// Package runbooks serves the runbooks of the alerts from the binary, because many
// management networks have no internet access.
//
// It does not depend on the configuration or its endpoints.
package runbooks

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/util"

	"session_exporter/docs"
)

// Path is the path of the index below the prefix. The runbook of an alert is at Path followed
// by the alert's name.
const Path = "/runbooks/"

const (
	folder = "runbooks/"
	index  = "README"
)

// markdown renders a runbook. It omits raw HTML and links with dangerous schemes.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(
		parser.WithAutoHeadingID(),
		parser.WithASTTransformers(util.Prioritized(linkRewriter{}, 100)),
	),
)

// Names returns the names of all runbooks, sorted. A runbook has the name of its alert.
func Names() []string {
	files, _ := fs.Glob(docs.Runbooks, folder+"*.md") // the pattern is valid
	var names []string
	for _, file := range files {
		if name := strings.TrimSuffix(strings.TrimPrefix(file, folder), ".md"); name != index {
			names = append(names, name)
		}
	}
	return names
}

// source returns the Markdown of a runbook, or of the index if name is empty.
func source(name string) (text []byte, found bool) {
	if name == "" {
		name = index
	} else if !slices.Contains(Names(), name) {
		return nil, false
	}
	text, err := docs.Runbooks.ReadFile(folder + name + ".md")
	return text, err == nil
}

// Render responds with a page that has a main part, whose links are relative to Path.
type Render func(w http.ResponseWriter, status int, title string, main template.HTML)

// Handler serves the runbook named by the path value "name", or the index if it is empty.
// Browsers get a page from render, other clients Markdown.
func Handler(render Render) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, status := strings.TrimSuffix(r.PathValue("name"), ".md"), http.StatusOK
		text, found := source(name)
		if !found {
			name, status, text = "No such runbook", http.StatusNotFound, unknown()
		}
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(status)
			_, _ = w.Write(text) //nolint:gosec // our own, as plain text; the client may have disconnected
			return
		}
		var page bytes.Buffer
		if err := markdown.Convert(text, &page); err != nil {
			http.Error(w, "The runbook could not be rendered.", http.StatusInternalServerError)
			return
		}
		if name == "" {
			name = "Runbooks"
		}
		render(w, status, name, template.HTML(page.String())) //nolint:gosec // our own text, without raw HTML
	})
}

// unknown returns the page for a name without a runbook. It does not repeat the name, which
// could be text of an attacker.
func unknown() []byte {
	var b bytes.Buffer
	b.WriteString("# No such runbook\n\nThe runbooks are:\n\n")
	for _, name := range Names() {
		fmt.Fprintf(&b, "- [%s](%[1]s.md)\n", name)
	}
	return b.Bytes()
}
