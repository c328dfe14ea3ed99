package report

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"session_exporter/sessionapi"
)

// style is how text is shown. The zero value, without colors and without truncation, is that
// of files and pipes.
type style struct {
	colors bool
	width  int // columns of the terminal; 0: nothing is truncated
}

const bold = "1" // ECMA-48, SGR

// kindColors are the colors of the kinds of states. Of a terminal's 256 colors that are
// readable on both black and white, they are the closest to the pages' colors.
var kindColors = map[sessionapi.Kind]string{
	sessionapi.KindOK:      "38;5;29",
	sessionapi.KindDenied:  "38;5;32",
	sessionapi.KindRefused: "38;5;166",
	sessionapi.KindHeld:    "38;5;97",
	sessionapi.KindTrouble: "38;5;136",
	sessionapi.KindUnknown: "38;5;244",
}

// styleFor returns the style for a writer. color is auto, always or never.
func styleFor(out io.Writer, color string) style {
	width := terminalWidth(out)
	switch color {
	case "always":
		return style{true, width}
	case "never":
		return style{false, width}
	default: // https://no-color.org: set and not empty
		return style{width > 0 && !dumbTerminal() && os.Getenv("NO_COLOR") == "", width}
	}
}

// dumbTerminal reports whether the terminal does not support escape codes, as is often so
// inside editors.
func dumbTerminal() bool { return os.Getenv("TERM") == "dumb" }

// terminalWidth returns the number of columns of a terminal, 0 if out is not a terminal.
func terminalWidth(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80 // serial lines report no width
	}
	return width
}

func (s style) paint(color, text string) string {
	if !s.colors {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// Printable returns text as one line of visible characters. Texts of the configuration
// may contain characters that reorder or hide what is shown; those from appliances have
// already been cleaned.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// columns returns how many columns text occupies on a terminal.
func columns(text string) int {
	sum := 0
	for _, r := range text {
		sum += columnsOf(r)
	}
	return sum
}

// wide contains the characters that occupy two columns: the East Asian scripts with their
// punctuation and full-width forms, and pictographs.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1faff, 1}, {0x20000, 0x3fffd, 1}},
}

// columnsOf returns how many columns a character occupies: none for a combining accent.
func columnsOf(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	default:
		return 1
	}
}

// cut truncates text to at most width columns, which must not be 0.
func cut(text string, width int) string {
	if columns(text) <= width {
		return text
	}
	sum := 1 // the ellipsis
	for i, r := range text {
		if sum += columnsOf(r); sum > width {
			return text[:i] + "…"
		}
	}
	return text
}
