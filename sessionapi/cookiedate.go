package sessionapi

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// cookieDate reads the date of an Expires attribute as specified in RFC 6265, 5.1.1:
// servers use many formats, and the order of the parts is not fixed. It returns the
// zero time for a text that is not a date.
func cookieDate(text string) time.Time {
	clock, hasClock := [3]int{}, false
	day, month, year := 0, 0, -1
	for _, token := range strings.FieldsFunc(text, isDateDelimiter) {
		n, digits := leadingNumber(token)
		at, isClock := clockOf(token)
		switch {
		case !hasClock && isClock:
			clock, hasClock = at, true
		case day == 0 && (digits == 1 || digits == 2):
			day = n
		case month == 0 && monthOf(token) > 0:
			month = monthOf(token)
		case year < 0 && (digits == 2 || digits == 4):
			year = n
		}
	}
	switch {
	case year >= 70 && year <= 99:
		year += 1900
	case year >= 0 && year <= 69:
		year += 2000
	}
	if !hasClock || month == 0 || day < 1 || day > 31 || year < 1601 || clock[0] > 23 || clock[1] > 59 || clock[2] > 59 {
		return time.Time{}
	}
	at := time.Date(year, time.Month(month), day, clock[0], clock[1], clock[2], 0, time.UTC)
	if at.Day() != day {
		return time.Time{} // the month has fewer days
	}
	return at
}

func isDateDelimiter(r rune) bool {
	return r == '\t' || r >= ' ' && r <= '/' || r >= ';' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
}

// leadingNumber returns the leading number of a token and its number of digits.
func leadingNumber(token string) (n, digits int) {
	for digits < len(token) && token[digits] >= '0' && token[digits] <= '9' {
		digits++
	}
	n, _ = strconv.Atoi(token[:digits]) // 0 without digits; callers ignore a number with too many
	return n, digits
}

// clockOf returns hour, minute and second of a token such as 08:49:37. Only the seconds may be
// followed by characters other than digits.
func clockOf(token string) (clock [3]int, ok bool) {
	parts := strings.SplitN(token, ":", len(clock))
	if len(parts) != len(clock) {
		return clock, false
	}
	for i, part := range parts {
		n, digits := leadingNumber(part)
		if digits < 1 || digits > 2 || i < 2 && digits != len(part) {
			return clock, false
		}
		clock[i] = n
	}
	return clock, true
}

func monthOf(token string) int {
	if len(token) < 3 {
		return 0
	}
	return 1 + slices.Index([]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}, strings.ToLower(token[:3]))
}
