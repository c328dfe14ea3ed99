package sessionapi

import (
	"testing"
	"time"
)

// A date in any of the formats is the same time. Other texts and implausible dates have no time.
func TestParseDate(t *testing.T) {
	want := time.Date(2027, 4, 26, 21, 23, 18, 0, time.UTC)
	for _, text := range []string{
		"2027-04-26 23:23:18 +0200",
		"2027-04-26 23:23:18 +02:00",
		"2027-04-26 23:23:18+0200",
		"2027-04-26 23:23:18+02:00",
		"2027-04-26T23:23:18+0200",
		"2027-04-26T23:23:18+02:00",
		"2027-04-26 16:23:18 -0500",
		"2027-04-26 21:23:18 UTC",
		"2027-04-26 21:23:18 GMT",
		"2027-04-26T21:23:18Z",
		" 2027-04-26 21:23:18Z ",
		"Mon, 26 Apr 2027 21:23:18 GMT",
		"Mon, 26 Apr 2027 23:23:18 +0200",
	} {
		if got := ParseDate(text); !got.Equal(want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	if got, want := ParseDate("2027-04-26T21:23:18.5Z"), want.Add(time.Second/2); !got.Equal(want) {
		t.Errorf("with a fraction it is %s, want %s", got, want)
	}
	for _, text := range []string{"", "never", "2027-04-26", "2027-04-26 21:23:18", "2027-04-26 21:23:18 CEST", "2027-13-26 21:23:18 UTC", "1970-01-01 00:00:00 UTC", "9999-12-31T23:59:59Z"} {
		if got := ParseDate(text); !got.IsZero() {
			t.Errorf("%q is %s, want no time", text, got)
		}
	}
}
