package exporter

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stalling is a directory whose logins stall, or whose appliances hang completely.
type stalling struct {
	directory
	logins, all atomic.Bool
	gets        atomic.Int64
}

func (s *stalling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		s.gets.Add(1)
	}
	if s.all.Load() || s.logins.Load() && r.Method == http.MethodPost {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client disconnects
		<-r.Context().Done()
		return
	}
	s.directory.ServeHTTP(w, r)
}

// When the logins of an account have stalled for 7 minutes, each endpoint gets about
// one preflight request and at most two connections a minute. Most are valid 2 minutes after
// the stall, and all after 13.
func TestStalledLoginsCauseNoStorm(t *testing.T) {
	t.Parallel()
	n := size(500, 100)
	for name, begin := range map[string]func(*stalling){
		"logins stall": func(s *stalling) { s.logins.Store(true) },
		"all hang":     func(s *stalling) { s.all.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stalling{directory: directory{password: "right"}}
				begin(s)
				w := newWorld(t, slog.New(slog.DiscardHandler))
				w.override = s
				var text strings.Builder
				fmt.Fprintf(&text, "%sendpoints:\n", accountWays["login"])
				for i := range n {
					fmt.Fprintf(&text, "  - {name: site-%d, url: \"http://site-%d.test\", module: m}\n", i, i)
				}
				w.write("password", "right")
				w.load(text.String())
				w.start()
				const warmUp, minutes = 7, 3
				time.Sleep(warmUp * time.Minute)
				gets, dials := s.gets.Load(), w.dials.Load()
				time.Sleep(minutes * time.Minute)
				gets, dials = (s.gets.Load()-gets)/minutes, (w.dials.Load()-dials)/minutes
				if most := int64(n + n/10); gets > most {
					t.Errorf("%d GETs a minute, want at most %d", gets, most)
				}
				if most := int64(2*n + n/10); dials > most {
					t.Errorf("%d connections a minute, want at most %d", dials, most)
				}
				s.logins.Store(false)
				s.all.Store(false)
				time.Sleep(2 * time.Minute)
				if got := states(w.scrape()); got["valid"] < n-n/10 {
					t.Errorf("2 minutes after the stall, the states are %v, want most valid", got)
				}
				time.Sleep(11 * time.Minute) // the back-off of endpoints that sent a login
				if got := states(w.scrape()); got["valid"] != n {
					t.Errorf("13 minutes after the stall, the states are %v, want %d valid", got, n)
				}
			})
		})
	}
}
