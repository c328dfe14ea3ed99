package transport

import (
	"errors"
	"math"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds how long a Retry-After is honored.
const MaxRetryAfter = time.Hour

// RetryAfter returns how long a response asks clients to wait (RFC 9110, 10.2.3:
// seconds, or a date by the clock that set the response's Date), 0 if it does not. It also
// accepts the other forms that servers send, and rounds seconds up.
func RetryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, ok := secondsOf(value); ok {
		seconds = math.Ceil(max(seconds, 0))
		return time.Duration(min(seconds, MaxRetryAfter.Seconds())) * time.Second
	}
	date, ok := dateOf(value)
	if !ok {
		return 0
	}
	now, ok := dateOf(header.Get("Date"))
	if !ok {
		now = time.Now()
	}
	return min(max(date.Sub(now), 0), MaxRetryAfter)
}

// secondsOf reads a number, with or without its unit, and Go's durations. The number
// may be quoted, have a decimal comma, or be the first of a list.
func secondsOf(value string) (float64, bool) {
	value, _, _ = strings.Cut(strings.Trim(value, `"'`), ", ")
	value = strings.Replace(value, ",", ".", 1)
	if value == "" || value[0] > '9' { // ParseFloat takes "infinity", too
		return 0, false
	}
	number := strings.TrimSpace(strings.TrimRight(strings.ToLower(value), "second"))
	if seconds, err := strconv.ParseFloat(number, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return seconds, true
	}
	duration, err := time.ParseDuration(value)
	return duration.Seconds(), err == nil
}

// dateOf parses a date in the format of HTTP, of mail (RFC 5322, with any zone), or of
// RFC 3339.
func dateOf(value string) (time.Time, bool) {
	date, err := http.ParseTime(value)
	if err != nil {
		date, err = mail.ParseDate(value)
	}
	if err != nil {
		date, err = time.Parse(time.RFC3339, value)
	}
	return date, err == nil
}
