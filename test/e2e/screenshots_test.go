package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	_ "image/png" // image.DecodeConfig reads them
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "rewrite the screenshots in docs/images")

// The dimensions of a screenshot in pixels, and its largest size.
const (
	screenshotWidth  = 1120
	screenshotHeight = 640
	maxScreenshot    = 150 << 10 // bytes
)

// TestScreenshots takes the README's screenshots from the demo. The files in docs/images may
// differ from them, because the demo keeps changing, but must exist and have the same
// dimensions.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	// With the usual temporary directory, because its path is visible in the screenshots.
	p := launch(t, "env", "TMPDIR="+os.TempDir(), binary, "demo", "--web.listen-address=127.0.0.1:0")
	x := &exporter{p, "http://" + p.address(t)}
	least := 3.0
	if *update {
		least = 25 // enough for the history chart
	}
	x.until(t, func(m metrics) error {
		if got := m.sum(`session_probes_total{endpoint="hcx-healthy"}`); got < least {
			return fmt.Errorf("%v probes of hcx-healthy, want %v", got, least)
		}
		return m.differ(want{`session_state{endpoint="dr-wrong-password",state="login_suspended"}`: 1})
	})
	b := newTab(t, x.url)
	b.do(t, chromedp.EmulateViewport(screenshotWidth, screenshotHeight))
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range []struct{ name, page string }{{"overview.png", "/"}, {"endpoint.png", "/endpoints/hcx-role-lost"}} {
		name := picture.name
		b.open(t, picture.page)
		if *update && name == "endpoint.png" {
			b.awaitText(t, "#now", "unexpected")
		}
		var shot []byte
		b.do(t, chromedp.CaptureScreenshot(&shot))
		file := filepath.Join("..", "..", "docs", "images", name)
		if *update {
			write(t, file, string(shot))
		}
		kept, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: go -C test test ./e2e -run TestScreenshots -update makes it", err)
		}
		for what, content := range map[string][]byte{"taken": shot, "kept": kept} {
			size, format, err := image.DecodeConfig(bytes.NewReader(content))
			if err != nil || format != "png" || size.Width != screenshotWidth || size.Height != screenshotHeight {
				t.Errorf("%s as %s: format %q, %d by %d pixels, error %v", name, what, format, size.Width, size.Height, err)
			}
		}
		if len(kept) > maxScreenshot {
			t.Errorf("%s has %d bytes, more than %d", name, len(kept), maxScreenshot)
		}
		if !strings.Contains(string(readme), "(docs/images/"+name+")") {
			t.Errorf("README.md does not show %s", name)
		}
	}
}
