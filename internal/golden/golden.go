// Package golden compares the output of a test with a file. With -update, it writes the
// file instead.
package golden

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// Check fails a test unless the content of a file equals text. It shows the first line that
// differs.
func Check(tb testing.TB, file string, text []byte) {
	tb.Helper()
	if *update {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		tb.Fatalf("%v; run go test with -update to write it", err)
	}
	compare(tb, file, text, want)
}

// Between is Check for the part of a file between two markers: before, which must occur
// exactly once, and the next occurrence of after.
func Between(tb testing.TB, file, before, after string, text []byte) {
	tb.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	head, rest, found := bytes.Cut(whole, []byte(before))
	part, tail, ends := bytes.Cut(rest, []byte(after))
	if !found || !ends || bytes.Contains(rest, []byte(before)) {
		tb.Fatalf("%s: want exactly one part between %q and %q", file, before, after)
	}
	if *update && !bytes.Equal(text, part) {
		whole = slices.Concat(head, []byte(before), text, []byte(after), tail)
		if err := os.WriteFile(file, whole, 0o600); err != nil { //nolint:gosec // the test names the file
			tb.Fatal(err)
		}
		return
	}
	compare(tb, file, text, part)
}

func compare(tb testing.TB, file string, text, want []byte) {
	tb.Helper()
	if bytes.Equal(text, want) {
		return
	}
	got, wanted := slices.Collect(bytes.Lines(text)), slices.Collect(bytes.Lines(want))
	i := 0
	for i < min(len(got), len(wanted)) && bytes.Equal(got[i], wanted[i]) {
		i++
	}
	tb.Errorf("%s: line %d differs; run go test with -update and read the difference\n got %q\nwant %q", file, i+1, line(got, i), line(wanted, i))
}

// line returns lines[i], nil after the last line.
func line(lines [][]byte, i int) []byte {
	if i < len(lines) {
		return lines[i]
	}
	return nil
}
