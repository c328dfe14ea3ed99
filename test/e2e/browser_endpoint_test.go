package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestBrowserEndpointHistory: consecutive equal results are one line, which stays open or
// closed while the page refreshes, and opens without JavaScript. Operation IDs are never cut
// off.
func TestBrowserEndpointHistory(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	a := newDR(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account}
`, user, secretFile(t, password), a.url)
	x.await(t, want{"session_up": 1})
	a.server.Off()
	x.await(t, want{"session_up": 0})
	if err := a.server.On(); err != nil {
		t.Fatal(err)
	}
	x.await(t, want{"session_up": 1})

	b := newTab(t, x.url)
	b.open(t, "/endpoints/a")
	const lines = `Array.from(document.querySelectorAll("#history .word"), e => e.innerText.trim()).join()`
	b.await(t, lines+` === "valid,unreachable,valid"`)
	b.await(t, `document.querySelector("details.run").open && !document.querySelectorAll("details.run")[1].open`)
	b.click(t, "details.run:nth-of-type(1) summary")
	b.click(t, "details.run:nth-of-type(2) summary")
	before := b.requestCount("/endpoints/a")
	eventually(t, func() error {
		if b.requestCount("/endpoints/a") < before+2 {
			return fmt.Errorf("the page has not refreshed twice")
		}
		return nil
	})
	b.await(t, `!document.querySelector("details.run").open && document.querySelectorAll("details.run")[1].open`)

	b.do(t, emulation.SetScriptExecutionDisabled(true))
	for _, width := range []int64{1280, 390} {
		b.do(t, chromedp.EmulateViewport(width, 900))
		b.open(t, "/endpoints/a")
		b.click(t, "details.run:nth-of-type(3) summary")
		b.await(t, `document.querySelectorAll("details.run")[2].open`)
		if cut := evaluate[[]string](t, b, `Array.from(document.querySelectorAll("td.id"), e => [e, e.closest(".scroll")])
			.filter(([e, box]) => e.innerText && box.clientWidth > 0 && e.getBoundingClientRect().right > box.getBoundingClientRect().right + 1)
			.map(([e]) => e.innerText)`); len(cut) > 0 {
			t.Errorf("%d wide: the operation IDs %q are cut off", width, cut)
		}
		if over := evaluate[int](t, b, "Array.from(document.querySelectorAll('.scroll'), e => e.scrollWidth - e.clientWidth).reduce((a, b) => Math.max(a, b), 0)"); over > 0 {
			t.Errorf("%d wide: the results are %d pixels too wide", width, over)
		}
	}
}
