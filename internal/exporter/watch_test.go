package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"session_exporter/config"
	"session_exporter/internal/boundedfile"
	"session_exporter/simulator"
)

// deployments are ways to put files in place: each returns a function that deploys a new
// version of all files into a directory.
var deployments = map[string]func(t *testing.T, dir string) func(files map[string]string){
	"rewritten": func(t *testing.T, dir string) func(map[string]string) {
		t.Helper()
		return func(files map[string]string) { writeFiles(t, dir, files) }
	},
	"replaced": func(t *testing.T, dir string) func(map[string]string) {
		t.Helper()
		return func(files map[string]string) {
			aside := t.TempDir()
			writeFiles(t, aside, files)
			for name := range files {
				must(t, os.Rename(filepath.Join(aside, name), filepath.Join(dir, name)))
			}
		}
	},
	// As a kubelet does for a ConfigMap or Secret: NAME is a link to
	// ..data/NAME, and ..data a link to a folder for each version.
	"kubernetes": func(t *testing.T, dir string) func(map[string]string) {
		t.Helper()
		version, old := 0, ""
		return func(files map[string]string) {
			version++
			folder := fmt.Sprintf("..version_%d", version)
			must(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
			writeFiles(t, filepath.Join(dir, folder), files)
			must(t, os.Symlink(folder, filepath.Join(dir, "..data_tmp")))
			must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
			for name := range files {
				if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
					t.Fatal(err)
				}
			}
			if old != "" {
				must(t, os.RemoveAll(filepath.Join(dir, old)))
			}
			old = folder
		}
	},
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWatchDeployments changes a secret and then the configuration on disk, in real
// time, and checks what the appliances receive.
func TestWatchDeployments(t *testing.T) {
	for name, deployment := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, slog.New(slog.DiscardHandler))
			verdicts := make(chan string, 10)
			for _, name := range []string{"site-0", "site-1"} {
				w.add(name, simulator.NewHCX(account("right"))).onVerdict = func(v passwordVerdict) {
					verdicts <- fmt.Sprintf("%s accepted %s: %t", name, v.password, v.accepted)
				}
			}
			next := func(want string) {
				t.Helper()
				select {
				case got := <-verdicts:
					if got != want {
						t.Fatalf("%s, want: %s", got, want)
					}
				case <-time.After(20 * time.Second):
					t.Fatalf("nothing was sent, want: %s", want)
				}
			}
			one := strings.Replace(oneAccount(1, passwordModules["hcx login"]), "api: hcx", "api: hcx, interval: 4s", 1)
			two := strings.Replace(oneAccount(2, passwordModules["hcx login"]), "api: hcx", "api: hcx, interval: 4s", 1)
			deploy := deployment(t, w.dir)
			deploy(map[string]string{"session_exporter.yml": one, "password": "wrong"})
			must(t, w.Reload())
			w.start()
			ctx, cancel := context.WithCancel(t.Context())
			var following sync.WaitGroup
			following.Go(func() { w.follow(ctx, nil) })
			defer following.Wait()
			defer cancel()

			next("site-0 accepted wrong: false")
			deploy(map[string]string{"session_exporter.yml": one, "password": "right"})
			next("site-0 accepted right: true")
			deploy(map[string]string{"session_exporter.yml": two, "password": "right"})
			next("site-1 accepted right: true")
			if logins := w.site("site-0.test").Stats().Logins; logins != 1 {
				t.Errorf("site-0 had %d logins, want the reload to keep its session", logins)
			}
		})
	}
}

// countChanges runs awaitChanges and returns a function that counts its callbacks.
func countChanges(t *testing.T, watcher *fsnotify.Watcher) (count func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		awaitChanges(ctx, watcher, func() {
			mu.Lock()
			defer mu.Unlock()
			n++
		}, slog.New(slog.DiscardHandler))
	})
	t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
	return func() int {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func checkCount(t *testing.T, when string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d callbacks, want %d", when, got, want)
	}
}

// TestWatchWithoutEvents uses a file system that sends no events.
func TestWatchWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := countChanges(t, new(fsnotify.Watcher))
		time.Sleep(pollInterval - time.Second)
		checkCount(t, "within a minute", count(), 1)
		time.Sleep(10 * pollInterval)
		checkCount(t, "in 10 minutes", count(), 11)
	})
}

// TestWatchEvents covers a change in several steps, a lost event, and a directory in
// which another file changes all the time.
func TestWatchEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watcher := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
		count := countChanges(t, watcher)
		time.Sleep(time.Second)
		checkCount(t, "at the start", count(), 1)
		for range 3 {
			watcher.Events <- fsnotify.Event{}
			time.Sleep(settleAfter / 2)
		}
		checkCount(t, "while files change", count(), 1)
		time.Sleep(settleAfter)
		checkCount(t, "when they have settled", count(), 2)
		watcher.Errors <- fsnotify.ErrEventOverflow
		time.Sleep(settleAfter)
		checkCount(t, "after a lost event", count(), 3)
		for begin := time.Now(); time.Since(begin) < 10*settleWithin; time.Sleep(settleAfter / 2) {
			watcher.Events <- fsnotify.Event{}
		}
		// The last event may come together with the timer, before or after it.
		if got := count() - 3; got != 9 && got != 10 {
			t.Errorf("while a file changes continuously: %d callbacks, want 9 or 10", got)
		}
	})
}

// TestDirectoriesThatCannotBeWatched checks that each is warned about once.
func TestDirectoriesThatCannotBeWatched(t *testing.T) {
	watcher, err := fsnotify.NewWatcher()
	must(t, err)
	must(t, watcher.Close()) // a closed watcher rejects every directory
	var log bytes.Buffer
	dirs := directories{watcher: watcher, resolve: filepath.EvalSymlinks, logger: slog.New(slog.NewTextHandler(&log, nil))}
	for _, tc := range []struct {
		name  string
		files []string
		warns int
	}{
		{"at first", []string{"/a/1", "/a/2", "/b/3"}, 2},
		{"again", []string{"/a/1", "/a/2", "/b/3"}, 0},
		{"another", []string{"/a/1", "/c/4"}, 1},
		{"a directory that returns", []string{"/a/1", "/b/3"}, 1},
	} {
		log.Reset()
		dirs.watch(tc.files)
		if warns := strings.Count(log.String(), "level=WARN"); warns != tc.warns {
			t.Errorf("%s: %d warnings, want %d:\n%s", tc.name, warns, tc.warns, &log)
		}
	}
}

// TestDirectoriesThatHang checks that a directory on an unavailable file system is waited
// for once per call instead of once per file, warned about once in all, and not watched. A
// directory with a link into it is watched.
func TestDirectoriesThatHang(t *testing.T) {
	watcher, err := fsnotify.NewWatcher()
	must(t, err)
	defer func() { must(t, watcher.Close()) }()
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	must(t, err)
	available, hanging := filepath.Join(dir, "available"), filepath.Join(dir, "hanging")
	must(t, os.Mkdir(available, 0o700))
	must(t, os.Mkdir(hanging, 0o700))
	var log bytes.Buffer
	slow, waits := true, 0
	dirs := directories{watcher: watcher, logger: slog.New(slog.NewTextHandler(&log, nil)), resolve: func(file string) (string, error) {
		target := file
		switch {
		case filepath.Base(file) == "link":
			target = filepath.Join(hanging, "target")
		case !filepath.IsAbs(file):
			target = filepath.Join(dir, file)
		}
		if slow && strings.HasPrefix(target, hanging) {
			waits++
			return "", &fs.PathError{Op: "read", Path: file, Err: boundedfile.ErrTooSlow}
		}
		return target, nil
	}}
	files := []string{"hanging/a", filepath.Join(hanging, "b"), "available/c", filepath.Join(available, "d"), "available/link"}
	for range 2 {
		dirs.watch(files)
	}
	if got := watcher.WatchList(); !slices.Equal(got, []string{available}) || waits != 4 || strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("watched %q after %d waits, log:\n%s", got, waits, &log)
	}
	slow = false
	dirs.watch(files)
	if got := watcher.WatchList(); len(got) != 2 {
		t.Errorf("watched %q once it responds", got)
	}
}

// TestEditWhileLoading edits a file while it is being loaded: either it is loaded
// again, or the next check notices the change.
func TestEditWhileLoading(t *testing.T) {
	ca, err := simulator.NewCA()
	must(t, err)
	files := map[string]string{
		"session_exporter.yml": strings.Replace(oneAccount(1, passwordModules["hcx login"]), "api: hcx", "api: hcx, tls_config: {ca_file: ca.pem}", 1),
		"ca.pem":               ca.PEM(),
		"password":             "right",
	}
	for _, edited := range []string{"session_exporter.yml", "ca.pem"} {
		for _, edit := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, at load %d", edited, edit), func(t *testing.T) {
				w := newWorld(t, slog.New(slog.DiscardHandler))
				writeFiles(t, w.dir, files)
				loads, stale := 0, false
				settings, err := w.readLocked(func() (*config.Config, error) {
					settings, err := w.loader.Load()
					loads++
					if loads == edit {
						w.write(edited, files[edited]+"\n")
					}
					stale = loads == edit
					return settings, err
				})
				must(t, err)
				if changed := w.loader.Fingerprint(settings.TLSFiles()...) != w.fingerprint; changed != stale {
					t.Errorf("after %d loads, files seem changed: %t, want %t", loads, changed, stale)
				}
			})
		}
	}
}

// TestMoveWhileLoading moves an endpoint to a file that was already read, from one that was
// not: the endpoint must not disappear. Files that change during each load are loaded
// nevertheless.
func TestMoveWhileLoading(t *testing.T) {
	for changes, want := range map[int]int{0: 1, 1: 2, 100: maxLoads} {
		w := newWorld(t, slog.New(slog.DiscardHandler))
		const none, moved = "endpoints: []\n", "endpoints: [{name: a, url: 'http://a.test', module: m}]\n"
		w.write("session_exporter.yml", "credentials: {c: {token: t}}\nmodules: {m: {api: hcx, credential: c}}\n")
		w.write("1.yml", moved)
		w.write("2.yml", none)
		w.loader = config.NewLoader(filepath.Join(w.dir, "*.yml"))
		loads := 0
		settings, err := w.readLocked(func() (*config.Config, error) {
			loads++
			if loads > changes {
				return w.loader.Load()
			}
			w.write("1.yml", none)
			w.write("2.yml", none)
			defer w.write("2.yml", moved+fmt.Sprintf("# %d\n", loads))
			return w.loader.Load()
		})
		must(t, err)
		if loads != want || changes < maxLoads && len(settings.Endpoints) != 1 {
			t.Errorf("%d changes: %d endpoints after %d loads, want 1 after %d", changes, len(settings.Endpoints), loads, want)
		}
	}
}
