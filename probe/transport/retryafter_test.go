package transport

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, c := range []struct {
			name, value, date string
			want              time.Duration
		}{
			{"seconds", "120", "", 2 * time.Minute},
			{"none", "", "", 0},
			{"zero", "0", "", 0},
			{"negative", "-5", "", 0},
			{"more than an hour", "86400", "", time.Hour},
			{"beyond int64", "99999999999999999999", "", time.Hour},
			{"date", in(2 * time.Minute), "", 2 * time.Minute},
			{"date that has passed", in(-2 * time.Minute), "", 0},
			{"date by a clock that is off", in(12 * time.Minute), in(10 * time.Minute), 2 * time.Minute},
			{"date in a year", in(365 * 24 * time.Hour), "", time.Hour},
			{"fraction", "1.5", "", 2 * time.Second},
			{"fraction that is nearly whole", "299.997", "", 5 * time.Minute},
			{"fraction below a second", "0.001", "", time.Second},
			{"negative fraction", "-0.5", "", 0},
			{"spaces", " 120 ", "", 2 * time.Minute},
			{"exponent", "1.2e2", "", 2 * time.Minute},
			{"unit", "120s", "", 2 * time.Minute},
			{"unit in words", "120 seconds", "", 2 * time.Minute},
			{"quoted", `"120"`, "", 2 * time.Minute},
			{"decimal comma", "299,997", "", 5 * time.Minute},
			{"list", "120, 600", "", 2 * time.Minute},
			{"duration", "1m30s", "", 90 * time.Second},
			{"beyond float64", "1e999", "", time.Hour},
			{"infinite", "Infinity", "", 0},
			{"not a number", "NaN", "", 0},
			{"UTC", time.Now().Add(2 * time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"), "", 2 * time.Minute},
			{"UTC, in the distant future", "Fri, 31 Dec 2027 23:59:59 UTC", "", time.Hour},
			{"offset", time.Now().Add(2 * time.Minute).Format(time.RFC1123Z), "", 2 * time.Minute},
			{"one digit", time.Now().Add(2 * time.Minute).UTC().Format("Mon, 2 Jan 2006 15:04:05 GMT"), "", 2 * time.Minute},
			{"RFC 850", time.Now().Add(2 * time.Minute).UTC().Format("Monday, 02-Jan-06 15:04:05 GMT"), "", 2 * time.Minute},
			{"asctime", time.Now().Add(2 * time.Minute).UTC().Format(time.ANSIC), "", 2 * time.Minute},
			{"RFC 3339", time.Now().Add(2 * time.Minute).UTC().Format(time.RFC3339), "", 2 * time.Minute},
			{"RFC 3339 with an offset", time.Now().Add(2 * time.Minute).In(time.FixedZone("", 7200)).Format(time.RFC3339), "", 2 * time.Minute},
			{"garbage", "soon", "", 0},
		} {
			header := http.Header{"Retry-After": {c.value}}
			if c.date != "" {
				header.Set("Date", c.date)
			}
			if got := RetryAfter(header); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "-1", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9223372036854775808"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		if got := RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}); got < 0 || got > MaxRetryAfter {
			t.Errorf("%q with the date %q: %s, want 0 to %s", value, date, got, MaxRetryAfter)
		}
	})
}
