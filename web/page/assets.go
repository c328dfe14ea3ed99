package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

//go:embed assets
var embedded embed.FS

// assets are the templates of the pages and the static files that pages refer to.
type assets struct {
	pages map[string]*template.Template
	dir   string // URL path of the static files below the prefix; it contains their hash
}

var functions = template.FuncMap{
	"full": full, "iso": iso, "latency": FormatLatency, "plural": plural, "segments": segments, "shown": shown,
	"past":     func(t time.Time) bool { return t.Before(time.Now()) },
	"relative": func(t time.Time) string { return relative(t, time.Now()) },
	"span":     func(t time.Time) string { return formatDuration(time.Since(t).Abs()) },
}

// newAssets parses the embedded files. Each page is the template "main" of its own file
// within layout.html. newAssets panics if a template is invalid.
func newAssets() *assets {
	a := &assets{pages: make(map[string]*template.Template)}
	for _, page := range []string{"overview", "endpoint", "document", "error"} {
		parsed, err := template.New("layout.html").Funcs(functions).
			ParseFS(embedded, "assets/layout.html", "assets/parts.html", "assets/"+page+".html")
		a.pages[page] = template.Must(parsed, err)
	}
	sum := sha256.New()
	for _, name := range staticFiles {
		content, _ := embedded.ReadFile("assets/" + name) // it exists
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	a.dir = StaticPath + hex.EncodeToString(sum.Sum(nil))[:16] + "/"
	return a
}

// staticFiles are the embedded files that are served unchanged, unlike the templates.
var staticFiles = []string{"style.css", "script.js", "icon.svg"}

// register registers the static files. Their path changes with their content, so that
// browsers may cache them indefinitely.
func (a *assets) register(mux *http.ServeMux, prefix string) {
	for _, name := range staticFiles {
		mux.HandleFunc("GET "+prefix+a.dir+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
			http.ServeFileFS(w, r, embedded, "assets/"+name)
		})
	}
}

// layout is the data of layout.html, common to all pages.
type layout struct {
	Root      string // relative path to the prefix
	Static    string
	PagePath  string // path of the page below the prefix, empty if the request's URL is the page's
	Title     string
	Version   string
	Telemetry string
	Refresh   int  // seconds; 0 for a page that does not change
	Actions   bool // show the buttons that change state
	Bare      bool // omit links and version
	Main      any
}
