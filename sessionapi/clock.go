package sessionapi

import (
	"net/http"
	"strings"
	"time"
)

// DateHeader returns the clock of a response whose body has none: the Date header
// (RFC 9110, 6.6.1). Its resolution is one second, so DateHeader returns the middle of that
// second.
func DateHeader(header http.Header) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return ClockTime(float64(date.UnixMilli() + 500))
}

// ClockTime converts a server's clock, in Unix milliseconds. It returns the zero time
// for implausible values: before 2000, such as a clock's own zero or seconds instead of
// milliseconds, and from 2200 on.
func ClockTime(ms float64) time.Time {
	const year2000, year2200 = 946684800000, 7258118400000
	if !(ms >= year2000 && ms < year2200) {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

// dateLayouts are the layouts of dates that APIs use in addition to those of HTTP. A
// zone is an offset or UTC: the offset of any other abbreviation is a guess.
var dateLayouts = []string{
	time.RFC3339,
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02 15:04:05 Z0700",
	"2006-01-02 15:04:05 UTC",
	"2006-01-02 15:04:05 GMT",
	time.RFC1123Z,
}

// ParseDate parses a date as an API writes it. It returns the zero time for a text that
// is not a date, or not a plausible one: an unreadable expiry must not turn a valid
// session into a failure.
func ParseDate(text string) time.Time {
	text = strings.TrimSpace(text)
	t, err := http.ParseTime(text)
	for i := 0; err != nil && i < len(dateLayouts); i++ {
		t, err = time.Parse(dateLayouts[i], text)
	}
	if err != nil {
		return time.Time{}
	}
	return ClockTime(float64(t.UnixMilli()))
}
