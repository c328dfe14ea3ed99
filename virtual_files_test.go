package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe"
	"session_exporter/simulator"
)

// filesInUse are those that a real exporter's connections would take: two while one is
// made, for two addresses may be dialled at once.
type filesInUse struct {
	mu        sync.Mutex // guards the fields below
	now, most int
	silent    bool // nobody who is dialled answers
}

func (f *filesInUse) add(files int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now += files
	f.most = max(f.most, f.now)
}

// over counts the connections that dial makes. Those to the first sites come to nothing
// when they are silent.
func (f *filesInUse) over(dial probe.DialFunc, silent map[string]bool) probe.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		f.add(2)
		f.mu.Lock()
		silent := f.silent && silent[address]
		f.mu.Unlock()
		if silent {
			<-ctx.Done()
			f.add(-2)
			return nil, ctx.Err()
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			f.add(-2)
			return nil, err
		}
		f.add(-1)
		return &fileConn{conn, sync.OnceFunc(func() { f.add(-1) })}, nil
	}
}

type fileConn struct {
	net.Conn
	closed func()
}

func (c *fileConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// TestVirtualFiles has half of a fleet hang whose kept connections take three quarters
// of all files. The others are probed at each of their times, with the files of those
// that hang. And whatever hangs, there are never more than are for probes.
func TestVirtualFiles(t *testing.T) {
	const n, files, minutes = 300, 400, 2
	for name, c := range map[string]struct {
		hanging int
		silent  bool // they are not even connected to
	}{
		"half of them do not answer":  {n / 2, false},
		"half of them do not connect": {n / 2, true},
		"all of them do not connect":  {n, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, slog.New(slog.DiscardHandler))
				var open filesInUse
				silent := make(map[string]bool)
				w.exporter = newExporter(w.file, probe.NewFactoryOver(open.over(w.dial, silent)), w.logger)
				w.limitFiles(files)
				var text strings.Builder
				text.WriteString("global: {interval: 15s, timeout: 10s}\nmodules: {hcx: {api: hcx}}\ncredentials:\n")
				var endpoints strings.Builder
				var sites []*site
				for i := range n {
					name := fmt.Sprintf("site-%d", i)
					sites = append(sites, w.add(name, newAppliance("api: hcx", account("right"))))
					silent[name+".test:80"] = i < c.hanging
					fmt.Fprintf(&text, "  %s: {username: monitor, password: right}\n", name)
					fmt.Fprintf(&endpoints, "  - {name: %s, url: \"http://%s.test\", module: hcx, credential: %s}\n", name, name, name)
				}
				w.load(text.String() + "endpoints:\n" + endpoints.String())
				w.start()
				time.Sleep(time.Minute)
				open.mu.Lock()
				open.silent = c.silent
				open.mu.Unlock()
				for _, s := range sites[:c.hanging] {
					s.Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Hang: true}} })
				}
				time.Sleep(time.Minute)
				before := checks(sites[c.hanging:])
				time.Sleep(minutes * time.Minute)
				for i, after := range checks(sites[c.hanging:]) {
					made := after - before[i]
					if made < 4*minutes-1 || made > 4*minutes+1 { // one may have been at the border
						t.Errorf("%s was probed %d times in %d minutes, want %d", sites[c.hanging+i].name, made, minutes, 4*minutes)
					}
				}
				open.mu.Lock()
				defer open.mu.Unlock()
				if most := filesForProbes(files); open.most < n || open.most > most {
					t.Errorf("%d files were open at most, want %d to %d", open.most, n, most)
				}
				t.Logf("%d files were open at most", open.most)
			})
		})
	}
}

// TestFilesAreWarnedOf at each load, where they are too few for all that hangs.
func TestFilesAreWarnedOf(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, slog.New(slog.NewTextHandler(&log, nil)))
	w.limitFiles(200)
	const text = "credentials: {a: {username: monitor, password: right}}\nmodules: {hcx: {api: hcx, interval: 15s, timeout: 10s, credential: a}}\nendpoints:\n"
	var endpoints strings.Builder
	for i := range 150 {
		fmt.Fprintf(&endpoints, "  - {name: site-%d, url: \"https://site-%d.test\", module: hcx}\n", i, i)
	}
	const want = "hanging=150 needed=150 possible=92 limit=200 wanted=322"
	for loads := range 3 {
		w.load(text + endpoints.String())
		if n := strings.Count(log.String(), want); n != loads+1 {
			t.Errorf("after %d loads, %d warnings: %s", loads+1, n, log.String())
		}
	}
	log.Reset()
	w.load(strings.Replace(text, "15s", "1m", 1) + endpoints.String())
	if strings.Contains(log.String(), "hanging=") {
		t.Errorf("with files enough, it says: %s", log.String())
	}
}

func checks(sites []*site) []int {
	all := make([]int, len(sites))
	for i, s := range sites {
		all[i] = s.Stats().Checks
	}
	return all
}
