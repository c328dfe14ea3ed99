package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// rows is a JavaScript expression: the number of endpoints that the overview shows.
const rows = `document.querySelectorAll("tr.row").length`

// names is a JavaScript expression: the names of the endpoints that the overview shows, in
// order.
const names = `Array.from(document.querySelectorAll("tr.row"), row => row.dataset.name)`

// demoEndpoints is the number of endpoints of the demo.
const demoEndpoints = 23

// demo calls needsTheMachine, runs the demo, and waits until all of its endpoints have been
// probed.
func demo(t *testing.T) *exporter {
	t.Helper()
	needsTheMachine(t)
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	x.until(t, func(m metrics) error {
		return m.differ(want{`session_state{state="unknown"}`: 0, "session_exporter_endpoints": demoEndpoints})
	})
	return x
}

// TestBrowserOverview: a user searches, filters and sorts the endpoints, and opens one.
func TestBrowserOverview(t *testing.T) {
	t.Parallel()
	b := newTab(t, demo(t).url)
	b.open(t, "/")
	states := evaluate[[]string](t, b, `Array.from(document.querySelectorAll("tr.row"), row => row.dataset.state)`)
	if first := slices.Index(states, "valid"); len(states) != demoEndpoints || first < 5 || slices.ContainsFunc(states[first:], func(state string) bool { return state != "valid" }) {
		t.Errorf("the page has %q; valid endpoints must come last", states)
	}

	// Typing filters without loading a page, and updates the address.
	b.do(t, chromedp.Evaluate("window.same = true", nil))
	b.click(t, "#q")
	b.press(t, "healthy dr")
	b.await(t, rows+" === 2 && window.same && document.activeElement.id === 'q' && location.search === '?q=healthy+dr'")
	b.awaitText(t, "#summary", fmt.Sprintf("2 endpoints of %d", demoEndpoints))
	b.awaitText(t, "#status", fmt.Sprintf("2 endpoints of %d", demoEndpoints)) // read by screen readers
	b.press(t, strings.Repeat(kb.Backspace, len("healthy dr"))+"kind=healthy")
	b.await(t, rows+" === 7 && window.same")

	// Choosing a label and removing it.
	b.open(t, "/")
	b.do(t, chromedp.Focus("#label", chromedp.ByQuery), chromedp.KeyEvent("site = o"))
	b.await(t, rows+" === 8 && location.search === '?label=site%3Doslo'")
	b.open(t, "/?label=site%3Doslo&q=hcx-healthy-basic")
	b.await(t, rows+" === 1")
	b.click(t, ".summary .chip")
	b.await(t, rows+" === 1 && location.search === '?q=hcx-healthy-basic'")

	// Sorting by name, ascending and descending.
	b.open(t, "/")
	b.click(t, "thead th:nth-child(2) a")
	b.await(t, "location.search === '?sort=name'")
	b.await(t, `document.querySelector("thead th:nth-child(2)").ariaSort === "ascending"`)
	if got := evaluate[[]string](t, b, names); len(got) != demoEndpoints || !slices.IsSorted(got) {
		t.Errorf("sorted by name: %q", got)
	}
	b.click(t, "thead th:nth-child(2) a")
	b.await(t, "location.search === '?sort=-name'")
	b.await(t, `document.querySelector("thead th:nth-child(2)").ariaSort === "descending"`)
	if got := evaluate[[]string](t, b, names); len(got) != demoEndpoints || got[0] != "hybridity-sso-unset" {
		t.Errorf("sorted by name, descending: %q", got)
	}

	// Choosing a state and one of its endpoints.
	b.open(t, "/")
	b.click(t, `.count[href="./?state=tls_failed"]`)
	b.await(t, "location.search === '?state=tls_failed' && "+rows+" === 1")
	b.click(t, "a.name")
	b.await(t, "location.pathname === '/endpoints/hcx-certificate-expired'")
	b.awaitText(t, "h1", "hcx-certificate-expired")
	b.awaitText(t, "#now", "tls_failed")
	b.awaitText(t, "#failure", "not sent")
	b.await(t, `document.title.startsWith("tls_failed: hcx-certificate-expired")`)
	b.click(t, ".crumbs a")
	b.await(t, fmt.Sprintf("location.pathname === '/' && %s === %d", rows, demoEndpoints))
}

// TestBrowserFreshness: an open page refreshes itself, keeps the focus, and refreshes
// immediately when a pause ends.
func TestBrowserFreshness(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	a := newHCX(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
  - {name: b, url: %[3]s, module: hcx, credential: account}
`, user, secretFile(t, password), a.url)
	x.await(t, want{"session_up": 2})
	b := newTab(t, x.url)
	b.open(t, "/?sort=name")
	b.do(t, chromedp.Evaluate(`document.querySelector("[data-name=b] a.name").focus()`, nil))
	a.server.Off()
	b.await(t, `document.querySelectorAll("[data-state=unreachable]").length === 2`)
	if focused := evaluate[string](t, b, "document.activeElement.innerText"); focused != "b" {
		t.Errorf("the focus moved to %q", focused)
	}
	b.await(t, `document.title.startsWith("(2 failing)")`)
	if err := a.server.On(); err != nil {
		t.Fatal(err)
	}
	b.await(t, `document.querySelectorAll("[data-state=valid]").length === 2`)

	b.click(t, "#refresh")
	b.await(t, `document.getElementById("refresh").ariaPressed === "false"`)
	b.click(t, "#refresh") // refreshes immediately
	before := b.requestCount("sort=name")
	b.await(t, `document.getElementById("refresh").ariaPressed === "true"`)
	eventually(t, func() error {
		if b.requestCount("sort=name") <= before {
			return fmt.Errorf("the page has not refreshed")
		}
		return nil
	})
}

// TestBrowserFirstResult: a page that was opened before the first probe hides its empty
// parts, and shows the result after the probe.
func TestBrowserFirstResult(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	a := newDR(t, withAccount(password))
	a.server.Off()
	x := serve(t, fmt.Sprintf(strings.Replace(prelude, "interval: 4s", "interval: 24h", 1)+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account}
`, caFile, user, secretFile(t, password), a.url))
	b := newTab(t, x.url)
	b.open(t, "/endpoints/a")
	b.awaitText(t, "#now", "unknown")
	b.await(t, `["history", "history-title", "failure"].every(id => document.getElementById(id).getClientRects().length === 0)`)
	x.get(t, "/probe?endpoint=a")
	b.awaitText(t, "#history", "unreachable")
	b.awaitText(t, "#failure", "not sent")
}

// TestBrowserGone: an open page shows that its exporter no longer responds.
func TestBrowserGone(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	x := serve(t, noEndpoints)
	b := newTab(t, x.url)
	b.open(t, "/")
	b.awaitText(t, "main", "No endpoints yet")
	b.muteConsole()
	stopInTime(t, x, os.Interrupt)
	b.awaitText(t, "#stale", "The page could not be updated")
}

// TestBrowserWithoutScript: searching, sorting, links and Probe now work without JavaScript.
func TestBrowserWithoutScript(t *testing.T) {
	t.Parallel()
	b := newTab(t, demo(t).url)
	b.do(t, emulation.SetScriptExecutionDisabled(true))
	b.open(t, "/")
	b.await(t, `document.getElementById("refresh").hidden`)
	b.click(t, "#q")
	b.press(t, "healthy srm")
	b.click(t, "#filter button")
	b.await(t, "location.search.startsWith('?q=healthy+srm') && "+rows+" === 1")
	b.click(t, "thead th:nth-child(2) a")
	b.await(t, "location.search === '?q=healthy+srm&sort=name' && "+rows+" === 1")
	b.click(t, "a.name")
	b.awaitText(t, "h1", "dr-healthy-srm")
	b.click(t, "#probe-now")
	b.awaitText(t, "#notice", "Probed just now: ")
	if got := b.requestCount("script.js"); got != 0 {
		t.Errorf("the script was requested %d times", got)
	}
}

// TestBrowserProbeNow: the button probes the endpoint once, and the page shows the result.
func TestBrowserProbeNow(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	a := newDR(t, withAccount(password))
	x := serve(t, fmt.Sprintf(strings.Replace(prelude, "interval: 4s", "interval: 1h", 1)+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: "a b/c?d&e", url: %s, module: dr, credential: account}
`, caFile, user, secretFile(t, password), a.url))
	b := newTab(t, x.url)
	b.open(t, "/")
	b.click(t, "a.name")
	b.awaitText(t, "h1", "a b/c?d&e")
	before := x.scrape(t).sum("session_probes_total")
	b.click(t, "#probe-now")
	b.awaitText(t, "#notice", "Probed just now: ")
	b.awaitText(t, "h1", "a b/c?d&e")
	b.awaitText(t, "#now", "valid")
	b.await(t, "!location.search.includes('done')") // otherwise the message would appear again after a reload
	x.scrape(t).check(t, want{"session_probes_total": before + 1})
}

// TestBrowserResume: a password that was corrected on the appliance is tried again on
// request, from either page.
func TestBrowserResume(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	for _, c := range []struct{ name, page, button string }{
		{"overview", "/?q=endpoint", ".guard button"},
		{"endpoint", "/endpoints/endpoint", "#resume"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newHCX(t, withAccount(newPassword))
			x := watch(t, `
credentials:
  the account: {username: %s, password_file: %q, lockout_guard: {max_refusals: 1}}
endpoints:
  - {name: endpoint, url: %s, module: hcx, credential: the account}
`, user, secretFile(t, password), a.url)
			x.await(t, want{"session_exporter_credential_suspended": 1, `session_state{state="login_suspended"}`: 1})
			b := newTab(t, x.url)
			b.open(t, c.page)
			b.awaitText(t, "main", "login_suspended")
			a.setPassword(password)
			b.click(t, c.button)
			b.awaitText(t, "#notice", "Logins resume")
			b.await(t, fmt.Sprintf("location.pathname + location.search === %q", c.page))
			b.await(t, `document.querySelector("main .badge").innerText.trim() === "valid"`) // without reloading
			b.await(t, `!document.querySelector(".guard, #resume")`)
			x.await(t, want{"session_exporter_credential_suspended": 0, "session_up": 1})
		})
	}
}

// TestBrowserDemoResume: after Resume, a login with a wrong password is tried once, and
// logins are suspended again.
func TestBrowserDemoResume(t *testing.T) {
	t.Parallel()
	x := demo(t)
	suspended := want{`session_state{endpoint="dr-wrong-password",state="login_suspended"}`: 1}
	before := x.await(t, suspended).sum(`session_exporter_credential_refusals_total{credential="dr-wrong-password"}`)
	b := newTab(t, x.url)
	b.open(t, "/endpoints/dr-wrong-password")
	b.awaitText(t, "#now", "are held back")
	b.click(t, "#resume")
	b.awaitText(t, "#notice", "Logins resume")
	x.until(t, func(m metrics) error {
		if after := m.sum(`session_exporter_credential_refusals_total{credential="dr-wrong-password"}`); !(after > before) {
			return fmt.Errorf("no login was tried: %v refusals", after)
		}
		return m.differ(suspended)
	})
	b.awaitText(t, "#now", "login_suspended")
}

// TestBrowserPages: the overview has a hundred endpoints per page, and its filter finds those
// of all pages.
func TestBrowserPages(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	a := newDR(t, withAccount(password))
	var endpoints strings.Builder
	for i := range 250 {
		fmt.Fprintf(&endpoints, "  - {name: e%03d, url: %s, module: dr, credential: account, labels: {tens: \"%d\"}}\n", i, a.url, i/10)
	}
	x := serve(t, fmt.Sprintf(strings.Replace(prelude, "interval: 4s", "interval: 1h", 1)+`
credentials:
  account: {token: %s}
endpoints:
%s`, caFile, a.token(), &endpoints))
	b := newTab(t, x.url)
	b.open(t, "/?sort=name")
	b.await(t, rows+" === 100")
	b.awaitText(t, "#summary", "1 to 100 of 250 endpoints")
	for _, shown := range []string{"101 to 200 of 250 endpoints", "201 to 250 of 250 endpoints"} {
		b.click(t, ".pager [rel=next]")
		b.awaitText(t, "#summary", shown)
	}
	b.await(t, rows+" === 50 && !document.querySelector('.pager [rel=next]')")
	b.click(t, "#q")
	b.press(t, "e24") // returns to the first page
	b.await(t, rows+" === 10 && !document.querySelector('.pager') && !location.search.includes('page')")
	b.open(t, "/?sort=name&page=3")
	b.click(t, ".pager [rel=prev]")
	b.awaitText(t, "#summary", "101 to 200 of 250 endpoints")
	b.await(t, rows+" === 100") // the page updates the summary before the rows
	if got := evaluate[[]string](t, b, names); got[0] != "e100" || got[99] != "e199" {
		t.Errorf("the second page has %q", got)
	}
}

// TestBrowserKeyboard: everything that can be clicked can be reached and used with the
// keyboard, and the focus is visible.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(t, demo(t).url)
	for _, page := range []string{"/?q=healthy-basic", "/endpoints/dr-wrong-password"} {
		b.open(t, page)
		b.press(t, kb.Tab)
		b.await(t, `document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().left >= 0`)
		b.tabTo(t, `e.id === "refresh"`)
		b.press(t, " ") // pauses refreshing
		b.await(t, `document.getElementById("refresh").ariaPressed === "false"`)
		b.do(t, chromedp.Evaluate(`window.unreached = new Set(Array.from(document.querySelectorAll("a, button, input, select, summary"))
			.filter(e => e.type !== "hidden" && e.getClientRects().length > 0)); document.activeElement.blur(); window.scrollTo(0, 0); undefined`, nil))
		for range evaluate[int](t, b, "window.unreached.size") + 20 {
			b.press(t, kb.Tab)
			if hidden := evaluate[string](t, b, `(e => {
				window.unreached.delete(e);
				return e === document.body || getComputedStyle(e).outlineStyle !== "none" ? "" : e.outerHTML;
			})(document.activeElement)`); hidden != "" {
				t.Errorf("%s: nothing shows that the focus is on %s", page, hidden)
			}
		}
		if unreached := evaluate[[]string](t, b, "Array.from(window.unreached, e => e.outerHTML)"); len(unreached) > 0 {
			t.Errorf("%s: Tab does not reach %s", page, strings.Join(unreached, "\n"))
		}
	}

	b.open(t, "/")
	b.press(t, kb.Tab+kb.Enter)
	b.await(t, `document.activeElement.id === "main"`)
	b.tabTo(t, `e.id === "q"`)
	b.press(t, "healthy-vr")
	b.await(t, rows+" === 1")
	b.tabTo(t, `e.className === "name"`)
	b.press(t, kb.Enter)
	b.awaitText(t, "h1", "dr-healthy-vr")
	b.tabTo(t, `e.id === "probe-now"`)
	b.press(t, kb.Enter)
	b.awaitText(t, "#notice", "Probed just now: ")
}

// TestBrowserAccessibility checks the pages with axe-core in light and dark mode, at two
// widths: no serious or critical violations, and no horizontal scrolling.
func TestBrowserAccessibility(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join("..", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run `npm --prefix test ci` first", err)
	}
	x := demo(t)
	x.await(t, want{`session_state{endpoint="dr-wrong-password",state="login_suspended"}`: 1})
	b := newTab(t, x.url)
	backgrounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		b.prefer(t, scheme)
		for _, width := range []int64{1280, 400} {
			b.do(t, chromedp.EmulateViewport(width, 900))
			for _, page := range []string{"/", "/?q=hcx-healthy&label=site%3Ddublin", "/?q=none", "/endpoints/dr-wrong-password", "/endpoints/hcx-role-lost", "/endpoints/hcx-certificate-expired"} {
				b.open(t, page)
				where := fmt.Sprintf("%s, %s, %d wide", page, scheme, width)
				b.do(t, chromedp.Evaluate(string(axe), nil))
				if found := evaluate[string](t, b, `axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations
					.filter(v => v.impact === "serious" || v.impact === "critical")
					.map(v => v.impact + ": " + v.help + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("\n")).join("\n"))`); found != "" {
					t.Errorf("%s: %s", where, found)
				}
				if over := evaluate[int](t, b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s: the page is %d pixels too wide", where, over)
				}
				backgrounds[scheme] = evaluate[string](t, b, "getComputedStyle(document.body).backgroundColor")
			}
		}
	}
	if backgrounds["light"] != "rgb(246, 247, 249)" || backgrounds["dark"] != "rgb(15, 19, 24)" {
		t.Errorf("the backgrounds are %v", backgrounds)
	}
}
