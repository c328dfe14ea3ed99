package report

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"session_exporter/internal/golden"
	"session_exporter/sessionapi"
)

// TestWatch checks that each probe has a line, and that changes of state are explained.
func TestWatch(t *testing.T) {
	at := time.Date(2026, 11, 28, 23, 59, 0, 0, time.FixedZone("", 3600))
	var out bytes.Buffer
	w := NewWatch(&out, false, "never")
	for i, f := range append(mixed()[:2], mixed()[0], mixed()[1], newProbed("hcx-a", sessionapi.Timeout, 10*time.Second, "No response."), mixed()[0], unruly()[4]) {
		f.Result.Start = at.Add(time.Duration(i) * time.Minute)
		w.Add(f)
	}
	golden.Check(t, "testdata/watch.txt", out.Bytes())
	if w.Valid() != 1 || w.Err() != nil {
		t.Errorf("%d valid, error %v", w.Valid(), w.Err())
	}
}

// TestWatchJSON checks that each probe is an object on a line.
func TestWatchJSON(t *testing.T) {
	var out bytes.Buffer
	w := NewWatch(&out, true, "always")
	f := mixed()[0]
	f.Endpoint.URL = &url.URL{Scheme: "https", Host: "hcx-a.example.com"}
	w.Add(f)
	w.Add(f)
	if lines := strings.Split(out.String(), "\n"); len(lines) != 3 || lines[0] != lines[1] || !strings.HasPrefix(lines[0], `{"endpoint":"hcx-a",`) {
		t.Error(&out)
	}
}

func TestWatchFails(t *testing.T) {
	w := NewWatch(broken{}, false, "never")
	w.Add(mixed()[0])
	if w.Err() == nil || w.Valid() != 1 {
		t.Errorf("error %v, %d valid", w.Err(), w.Valid())
	}
}
