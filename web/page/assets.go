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

var functions = template.FuncMap{
	"full": full, "iso": iso, "latency": FormatLatency, "plural": plural, "segments": segments, "shown": shown,
	"past":     func(t time.Time) bool { return t.Before(time.Now()) },
	"relative": func(t time.Time) string { return relative(t, time.Now()) },
	"span":     func(t time.Time) string { return formatDuration(time.Since(t).Abs()) },
}

// parsePages parses the embedded templates. Each page is the template "main" of its own
// file within layout.html.
func parsePages() map[string]*template.Template {
	pages := make(map[string]*template.Template)
	for _, page := range []string{"overview", "endpoint", "document", "error"} {
		pages[page] = template.Must(template.New("layout.html").Funcs(functions).
			ParseFS(embedded, "assets/layout.html", "assets/parts.html", "assets/"+page+".html"))
	}
	return pages
}

// staticFiles are the embedded files that are served unchanged, unlike the templates.
var staticFiles = []string{"style.css", "script.js", "icon.svg"}

// staticDir returns the path of the static files below the prefix. It changes with their
// content, so that browsers may cache them indefinitely.
func staticDir() string {
	sum := sha256.New()
	for _, name := range staticFiles {
		content, _ := embedded.ReadFile("assets/" + name) // it exists
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	return StaticPath + hex.EncodeToString(sum.Sum(nil))[:16] + "/"
}

func (s *Site) registerStatic(mux *http.ServeMux, prefix string) {
	for _, name := range staticFiles {
		mux.HandleFunc("GET "+prefix+s.static+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
			http.ServeFileFS(w, r, embedded, "assets/"+name)
		})
	}
}

// layout is the data of layout.html, common to all pages.
type layout struct {
	Root      string // relative path to the prefix
	Static    string // path of the static files relative to the prefix
	PagePath  string // path of the page relative to the prefix, if it is also shown at another URL
	Title     string
	Version   string
	Telemetry string // path of the metrics relative to the prefix
	Refresh   int    // seconds; 0 for a page that does not change
	Actions   bool   // show the buttons that change state
	Bare      bool   // omit links and version
	Main      any
}
