package web

import (
	"bytes"
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

// assets are the templates of the pages, and the files that pages refer to.
type assets struct {
	pages  map[string]*template.Template
	files  fs.FS
	folder string // of the files, below the prefix: it names their content
}

// newAssets reads what is embedded. Each page is its own file's "main" within
// layout.html.
func newAssets() (*assets, error) {
	files, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	a := &assets{pages: make(map[string]*template.Template), files: files}
	for _, page := range []string{"overview", "endpoint", "problem"} {
		a.pages[page], err = template.New("layout.html").Funcs(template.FuncMap{"latency": latency, "span": span, "counted": counted}).
			ParseFS(files, "layout.html", "parts.html", page+".html")
		if err != nil {
			return nil, fmt.Errorf("reading the page %s: %w", page, err)
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
	a.folder = staticPath + hex.EncodeToString(sum.Sum(nil))[:16] + "/"
	return a, nil
}

// staticFiles are what is served as it is: the templates are not.
var staticFiles = []string{"style.css", "script.js", "icon.svg"}

const staticPath = "/static/"

// handle serves the static files. Their path changes with their content, so
// browsers may keep them for ever.
func (a *assets) handle(mux *http.ServeMux, prefix string) {
	for _, name := range staticFiles {
		mux.HandleFunc("GET "+prefix+a.folder+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
			http.ServeFileFS(w, r, a.files, name)
		})
	}
}

// layout is what all pages have.
type layout struct {
	Root      string // the relative way to the prefix
	Static    string
	Title     string
	Version   string
	Telemetry string
	Refresh   int // seconds; 0 for a page that does not change
	Main      any
}

// render answers with a page. It is rendered before anything is sent, so that an
// error does not come in the middle of it.
func (o *server) render(w http.ResponseWriter, status int, page string, l *layout) {
	l.Static = o.assets.folder[1:]
	l.Version = o.version
	l.Telemetry = o.TelemetryPath[1:]
	var body bytes.Buffer
	if err := o.assets.pages[page].Execute(&body, l); err != nil {
		o.Logger.Error("a page could not be rendered", "page", page, "err", err)
		answer(w, http.StatusInternalServerError, "The page could not be made; the log says why.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a client that went away needs no answer
}
