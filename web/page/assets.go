package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
)

//go:embed assets
var embedded embed.FS

// assets are the templates of the pages and the static files that pages refer to.
type assets struct {
	pages map[string]*template.Template
	files fs.FS
	dir   string // URL path of the static files below the prefix; it contains their hash
}

var functions = template.FuncMap{"latency": FormatLatency, "plural": plural, "segments": segments, "shown": shown}

// newAssets parses the embedded files. Each page is the template "main" of its own file
// within layout.html.
func newAssets() (*assets, error) {
	files, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	a := &assets{pages: make(map[string]*template.Template), files: files}
	for _, page := range []string{"overview", "endpoint", "document", "error"} {
		a.pages[page], err = template.New("layout.html").Funcs(functions).
			ParseFS(files, "layout.html", "parts.html", page+".html")
		if err != nil {
			return nil, fmt.Errorf("parsing the page %s: %w", page, err)
		}
	}
	sum := sha256.New()
	for _, name := range staticFiles {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	a.dir = StaticPath + hex.EncodeToString(sum.Sum(nil))[:16] + "/"
	return a, nil
}

// staticFiles are the embedded files that are served unchanged, unlike the templates.
var staticFiles = []string{"style.css", "script.js", "icon.svg"}

// register registers the static files. Their path changes with their content, so that
// browsers may cache them indefinitely.
func (a *assets) register(mux *http.ServeMux, prefix string) {
	for _, name := range staticFiles {
		mux.HandleFunc("GET "+prefix+a.dir+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
			http.ServeFileFS(w, r, a.files, name)
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
