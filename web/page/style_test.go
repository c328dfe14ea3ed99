package page

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"session_exporter/sessionapi"
)

// Text of each kind of state is readable on each of its backgrounds, in both color schemes.
func TestContrast(t *testing.T) {
	sheet, err := embedded.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(sheet), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark scheme")
	}
	kinds := make(map[string]bool)
	for _, state := range sessionapi.States() {
		kinds[string(state.Info().Kind)] = true
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colors := make(map[string]string)
		for _, property := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			colors[property[1]] = property[2]
		}
		pairs := [][2]string{{"text", "page"}, {"text", "surface"}, {"text", "hover"}, {"muted", "page"}, {"muted", "hover"}, {"muted", "unknown-back"}, {"text", "refused-back"}, {"link", "page"}, {"link", "hover"}}
		for kind := range kinds {
			pairs = append(pairs, [][2]string{{kind, kind + "-back"}, {kind, "page"}, {kind, "surface"}, {kind, "hover"}}...)
		}
		for _, pair := range pairs {
			if got := contrast(t, colors[pair[0]], colors[pair[1]]); got < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", scheme, pair[0], pair[1], got)
			}
		}
	}
}

// contrast returns the contrast ratio of two colors (WCAG 2.2).
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(color string) (sum float64) {
		number, err := strconv.ParseUint(color, 16, 32)
		if err != nil {
			t.Fatalf("color %q: %v", color, err)
		}
		for shift, weight := range map[int]float64{16: 0.2126, 8: 0.7152, 0: 0.0722} {
			share := float64(number>>shift&0xff) / 255
			if share <= 0.04045 {
				sum += weight * share / 12.92
			} else {
				sum += weight * math.Pow((share+0.055)/1.055, 2.4)
			}
		}
		return sum
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
