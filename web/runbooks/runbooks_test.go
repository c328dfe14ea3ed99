package runbooks

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"session_exporter/sessionapi"
)

func TestEveryStateHasARunbook(t *testing.T) {
	names := Names()
	for _, state := range sessionapi.States() {
		name := state.Info().Runbook
		if state == sessionapi.Valid || state == sessionapi.Unknown {
			if name != "" {
				t.Errorf("%s has the runbook %s", state, name)
			}
		} else if !slices.Contains(names, name) {
			t.Errorf("%s has the runbook %q, which does not exist", state, name)
		}
	}
}

// get requests a runbook. It returns the main part of the page, or the text for a client
// that is not a browser.
func get(t *testing.T, name, accept string) (status int, title, body string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET "+Path+"{name...}", Handler(func(w http.ResponseWriter, status int, t string, main template.HTML) {
		title = t
		w.WriteHeader(status)
		_, _ = w.Write([]byte(main))
	}))
	request := httptest.NewRequest(http.MethodGet, Path+name, http.NoBody)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, request)
	return recorder.Code, title, recorder.Body.String()
}

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

// TestLinks follows every link of every runbook: to another runbook, to a heading of one,
// or to another site.
func TestLinks(t *testing.T) {
	names := Names()
	if len(names) < 20 {
		t.Fatalf("only %q", names)
	}
	pages := map[string]string{}
	for _, name := range append(names, "") {
		status, _, page := get(t, name, "text/html")
		if status != http.StatusOK || !strings.Contains(page, "<h1") {
			t.Errorf("%q: status %d, %.100s", name, status, page)
		}
		pages[name] = page
	}
	local := 0
	for name, page := range pages {
		for _, link := range hrefs.FindAllStringSubmatch(page, -1) {
			if strings.HasPrefix(link[1], "https://") || strings.HasPrefix(link[1], "http://localhost") {
				continue
			}
			to, fragment, _ := strings.Cut(link[1], "#")
			if to == "" && fragment != "" {
				to = name
			}
			target, found := pages[strings.TrimPrefix(to, "./")]
			local++
			if !found || (fragment != "" && !strings.Contains(target, `id="`+fragment+`"`)) {
				t.Errorf("%s links to %q", name, link[1])
			}
		}
	}
	if local < 30 {
		t.Errorf("only %d links to runbooks", local)
	}
}

// TestTables checks that tables are rendered. Without the extension of the Markdown parser, they
// would be lines with vertical bars.
func TestTables(t *testing.T) {
	if _, title, page := get(t, "", "text/html"); title != "Runbooks" || !strings.Contains(page, "<td>critical</td>") || strings.Contains(page, "| ---") {
		t.Errorf("the index %q is %.300s", title, page)
	}
	if _, title, page := get(t, "SessionFlapping", "text/html"); title != "SessionFlapping" || !strings.Contains(page, "<pre><code") {
		t.Errorf("%q is %.300s", title, page)
	}
}

func TestScriptsGetMarkdown(t *testing.T) {
	if status, _, text := get(t, "SessionExpired", "*/*"); status != http.StatusOK || !strings.HasPrefix(text, "# SessionExpired\n") {
		t.Errorf("%d %.100s", status, text)
	}
}

// TestUnknownNames checks that the response has the names of all runbooks, but not the one
// that was requested.
func TestUnknownNames(t *testing.T) {
	for _, name := range []string{"SessionUnknown", "README/x", "a/b", "%3Cscript%3Ealert(1)%3C/script%3E", "..%2Frunbooks.go"} {
		for _, accept := range []string{"text/html", "*/*"} {
			status, title, text := get(t, name, accept)
			if status != http.StatusNotFound || !strings.Contains(text, "SessionTLSFailed") {
				t.Errorf("%s: %d %.200s", name, status, text)
			}
			if all := title + text; strings.Contains(all, "alert(1)") || strings.Contains(all, "SessionUnknown") {
				t.Errorf("%s is in the response: %.200s", name, all)
			}
		}
	}
}

// TestRawHTML checks that a runbook cannot add elements or scripts to the page.
func TestRawHTML(t *testing.T) {
	var b strings.Builder
	if err := markdown.Convert([]byte("<script>alert(1)</script>\n\n[x](javascript:alert(1)) <b onclick=x>y</b>\n"), &b); err != nil {
		t.Fatal(err)
	}
	if page := b.String(); strings.Contains(page, "<script") || strings.Contains(page, "javascript:") || strings.Contains(page, "onclick") {
		t.Errorf("%s", page)
	}
}
