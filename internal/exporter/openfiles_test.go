package exporter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe"
	"session_exporter/simulator"
)

// filesInUse counts the files that connections would use: two while a connection is
// being made, since two addresses may be dialed concurrently.
type filesInUse struct {
	mu        sync.Mutex // guards the fields below
	now, most int
	silent    bool // connections to the silent sites hang
}

func (f *filesInUse) add(files int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now += files
	f.most = max(f.most, f.now)
}

// over returns a dial function that counts its connections. Those to the silent sites hang
// while f.silent is set.
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

// TestFilesSufficeWhileEndpointsHang has a fleet that is too large for the open-file limit, and
// lets half or all of it hang. The endpoints that respond are probed on time, and connections
// to endpoints never use more files than their share.
func TestFilesSufficeWhileEndpointsHang(t *testing.T) {
	t.Parallel()
	const minutes = 2
	n, files := size(300, 150), size(400, 200)
	for name, c := range map[string]struct {
		hanging int
		silent  bool // connecting to them hangs, too
	}{
		"half of them do not respond": {n / 2, false},
		"half of them do not connect": {n / 2, true},
		"all of them do not connect":  {n, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, slog.New(slog.DiscardHandler))
				var open filesInUse
				silent := make(map[string]bool)
				w.Exporter = newExporter([]string{filepath.Join(w.dir, "session_exporter.yml")}, probe.NewManagerWithDial(open.over(w.dial, silent)), w.logger)
				limits := limitsFor(uint64(files))
				w.limit(limits)
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
					if made < 4*minutes-1 || made > 4*minutes+1 { // one may fall on the boundary
						t.Errorf("%s was probed %d times in %d minutes, want %d", sites[c.hanging+i].name, made, minutes, 4*minutes)
					}
				}
				open.mu.Lock()
				defer open.mu.Unlock()
				if most := limits.kept + filesPerProbe*limits.probes; open.most < limits.kept || open.most > most {
					t.Errorf("%d files were open at most, want %d to %d", open.most, limits.kept, most)
				}
				t.Logf("%d files were open at most", open.most)
			})
		})
	}
}

// TestEachLoadWarnsOfFiles checks that each load warns about an open-file limit that would be
// too low while all endpoints hang.
func TestEachLoadWarnsOfFiles(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, slog.New(slog.NewTextHandler(&log, nil)))
	w.limit(limitsFor(200))
	const text = "credentials: {a: {username: monitor, password: right}}\nmodules: {hcx: {api: hcx, interval: 15s, timeout: 10s, credential: a}}\nendpoints:\n"
	var endpoints strings.Builder
	for i := range 150 {
		fmt.Fprintf(&endpoints, "  - {name: site-%d, url: \"https://site-%d.test\", module: hcx}\n", i, i)
	}
	const want = "limit=200 wanted="
	for loads := range 3 {
		w.load(text + endpoints.String())
		if n := strings.Count(log.String(), want); n != loads+1 {
			t.Errorf("after %d loads, %d warnings: %s", loads+1, n, log.String())
		}
	}
	log.Reset()
	w.load(text + strings.Join(strings.SplitAfter(endpoints.String(), "\n")[:20], ""))
	if strings.Contains(log.String(), "wanted=") {
		t.Errorf("with enough files, the log is: %s", log.String())
	}
}

func checks(sites []*site) []int {
	all := make([]int, len(sites))
	for i, s := range sites {
		all[i] = s.Stats().Checks
	}
	return all
}
