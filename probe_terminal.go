package main

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// look is how text is shown where it goes: plain and in full when that is a file
// or a pipe, so that it can be kept and searched.
type look struct {
	colors bool
	width  int // of the terminal; 0 where nothing is to be cut
}

// The colors, of the 16 that the user's own theme defines (ECMA-48, SGR).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// lookAt returns how to show text at out. color is what the user asked for:
// auto, always or never.
func lookAt(out io.Writer, color string) look {
	width := terminalWidth(out)
	switch color {
	case "always":
		return look{true, width}
	case "never":
		return look{false, width}
	default: // https://no-color.org: any text but the empty one
		return look{width > 0 && !dumbTerminal() && os.Getenv("NO_COLOR") == "", width}
	}
}

// dumbTerminal reports whether the terminal says that it obeys no escape codes,
// as those of editors do.
func dumbTerminal() bool { return os.Getenv("TERM") == "dumb" }

// terminalWidth returns how many columns a terminal has, and 0 when out is none.
func terminalWidth(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80 // serial lines do not know theirs
	}
	return width
}

func (l look) paint(color, text string) string {
	if !l.colors {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// printable returns text as one line of characters that can be seen. Texts from
// appliances are that already, but those of the configuration may have characters
// that reorder or hide what is shown.
func printable(text string) string {
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

// columns returns how wide a terminal shows text.
func columns(text string) int {
	sum := 0
	for _, r := range text {
		sum += columnsOf(r)
	}
	return sum
}

// wide are the characters that take two columns: the East Asian scripts with their
// punctuation and full-width forms, and pictures.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1faff, 1}, {0x20000, 0x3fffd, 1}},
}

// columnsOf is right for what names are made of; an accent of its own has no width.
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

// cut returns text in at most so many columns.
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
