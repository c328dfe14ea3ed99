package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a page in a headless Chromium. Any message on the console, and any request to
// another origin, fails the test.
type tab struct {
	ctx  context.Context //nolint:containedctx // chromedp keeps the browser in it
	site string          // URL that the pages' paths are appended to

	mu       sync.Mutex // guards the fields below
	requests []string   // URLs, in order
	muted    bool       // the browser's own messages on the console are expected
}

// newTab starts a separate Chromium for a test, which must have called needsTheMachine.
func newTab(t *testing.T, site string) *tab {
	t.Helper()
	dir := t.TempDir()
	allocator, stop := chromedp.NewExecAllocator(context.Background(), // the test's context would kill Chromium before the cleanup closes it
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Env("HOME="+dir),
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("lang", "en"),
		chromedp.WSURLReadTimeout(maxWait),
	)
	// Errors are not logged: a newer Chromium sends values that the library does not know.
	ctx, _ := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	b := &tab{ctx: ctx, site: site}
	t.Cleanup(func() {
		late := time.AfterFunc(maxWait, stop)
		if err := chromedp.Cancel(ctx); err != nil || !late.Stop() {
			t.Errorf("closing Chromium: %v", err)
		}
		stop()
		b.remove(t, dir)
	})
	chromedp.ListenTarget(ctx, func(event any) { b.listen(t, event) })
	late := time.AfterFunc(maxWait, stop) // a deadline of ctx would apply to the browser's whole life
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(1280, 900)); err != nil || !late.Stop() {
		t.Fatalf("starting Chromium: %v", err)
	}
	return b
}

// chromium returns the browser's path.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("Chromium not found: install the package chromium, as `make test` does, or set CHROMIUM to its path")
	return ""
}

// remove removes the browser's directory, into which its last processes may still
// write.
func (b *tab) remove(t *testing.T, dir string) {
	t.Helper()
	deadline, again := time.After(maxWait), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for {
		err := os.RemoveAll(dir)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Error(err)
			return
		}
	}
}

// listen handles the events of the page.
func (b *tab) listen(t *testing.T, event any) {
	t.Helper()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		t.Errorf("the console shows %s: %s", e.Type, inJSON(e.Args))
	case *runtime.EventExceptionThrown:
		t.Errorf("uncaught: %s", e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		b.mu.Lock()
		muted := b.muted
		b.mu.Unlock()
		if !muted {
			t.Errorf("the console shows %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.mu.Lock()
		b.requests = append(b.requests, e.Request.URL)
		b.mu.Unlock()
		// Images inside the style sheet or the page are not requests.
		if u, err := url.Parse(e.Request.URL); err != nil || (u.Scheme != "data" && u.Scheme+"://"+u.Host != origin(b.site)) {
			t.Errorf("the page requests %s", e.Request.URL)
		}
	}
}

// muteConsole ignores the browser's own messages on the console, such as those about failed
// requests, from now on.
func (b *tab) muteConsole() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.muted = true
}

// requestCount returns the number of requests for URLs that contain a text.
func (b *tab) requestCount(text string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, request := range b.requests {
		if strings.Contains(request, text) {
			n++
		}
	}
	return n
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

func inJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// do runs actions in the browser.
func (b *tab) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, maxWait)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("%v\n%s", err, b.shown())
	}
}

// open opens a page by its path below the site.
func (b *tab) open(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate(b.site+path))
	b.await(t, "true")
}

// evaluate returns the value of a JavaScript expression or of its promise.
func evaluate[T any](t *testing.T, b *tab, expression string) (value T) {
	t.Helper()
	b.do(t, chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return value
}

// await waits until a condition in JavaScript holds on a page that has been loaded.
func (b *tab) await(t *testing.T, condition string) {
	t.Helper()
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(b.ctx, maxWait)
		defer cancel()
		var holds bool
		// Evaluating fails while one page replaces another.
		if err := chromedp.Run(ctx, chromedp.Evaluate(`document.readyState === "complete" && Boolean(`+condition+")", &holds)); err != nil {
			return err
		}
		if !holds {
			return fmt.Errorf("the condition %s does not hold:\n%s", condition, b.shown())
		}
		return nil
	})
}

// awaitText waits until an element shows a text.
func (b *tab) awaitText(t *testing.T, selector, text string) {
	t.Helper()
	b.await(t, fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

// shown returns the visible text, for failure messages.
func (b *tab) shown() string {
	ctx, cancel := context.WithTimeout(b.ctx, maxWait)
	defer cancel()
	var text string
	if err := chromedp.Run(ctx, chromedp.Evaluate("location.href + '\\n' + document.body.innerText", &text)); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("The page shows:\n%.1500s", text)
}

// click clicks the first element that matches.
func (b *tab) click(t *testing.T, selector string) {
	t.Helper()
	b.await(t, fmt.Sprintf("document.querySelector(%q)", selector))
	at := evaluate[struct{ X, Y float64 }](t, b, fmt.Sprintf(`(() => {
		const element = document.querySelector(%q);
		element.scrollIntoView({block: "center", behavior: "instant"});
		const box = element.getClientRects()[0];
		return {X: box.x + box.width / 2, Y: box.y + box.height / 2};
	})()`, selector))
	b.do(t, chromedp.MouseClickXY(at.X, at.Y))
}

// press presses keys, one after the other.
func (b *tab) press(t *testing.T, keys string) {
	t.Helper()
	b.do(t, chromedp.KeyEvent(keys))
}

// tabTo presses Tab until a condition on the focused element e holds.
func (b *tab) tabTo(t *testing.T, condition string) {
	t.Helper()
	for range 200 {
		b.press(t, kb.Tab)
		if evaluate[bool](t, b, "(e => Boolean("+condition+"))(document.activeElement)") {
			return
		}
	}
	t.Fatalf("Tab never reaches an element with %s\n%s", condition, b.shown())
}

// prefer sets the preferred color scheme.
func (b *tab) prefer(t *testing.T, scheme string) {
	t.Helper()
	b.do(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: cmp.Or(scheme, "light")}}))
}
