package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"session_exporter/config"
	"session_exporter/simulator"
)

// deployments are the ways in which files come to be: each returns what
// deploys a version of some into a folder, all of them at once.
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

// TestWatchDeployments changes a secret and then the configuration on disk, in
// real time: the appliances see what comes of it.
func TestWatchDeployments(t *testing.T) {
	for name, deployment := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, slog.New(slog.DiscardHandler))
			accepted := make(chan string, 10)
			for _, name := range []string{"site-0", "site-1"} {
				w.add(name, simulator.NewHCX(account("right"))).judged = func(j judgement) {
					accepted <- fmt.Sprintf("%s accepted %s: %t", name, j.password, j.accepted)
				}
			}
			next := func(want string) {
				t.Helper()
				select {
				case got := <-accepted:
					if got != want {
						t.Fatalf("%s, want: %s", got, want)
					}
				case <-time.After(20 * time.Second):
					t.Fatalf("nothing was sent, want: %s", want)
				}
			}
			one := strings.Replace(oneAccount(1, passwordModules["hcx login"]), "api: hcx", "api: hcx, interval: 200ms", 1)
			two := strings.Replace(oneAccount(2, passwordModules["hcx login"]), "api: hcx", "api: hcx, interval: 200ms", 1)
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

// looks follows a watcher and returns how often files were looked at so far.
func looks(t *testing.T, watcher *fsnotify.Watcher) (often func() int) {
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

func checkLooks(t *testing.T, when string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s, files were looked at %d times, want %d", when, got, want)
	}
}

// TestWatchWithoutNotices has a file system that sends none.
func TestWatchWithoutNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		often := looks(t, new(fsnotify.Watcher))
		time.Sleep(lookAnyway - time.Second)
		checkLooks(t, "within a minute", often(), 0)
		time.Sleep(10 * lookAnyway)
		checkLooks(t, "in 10 minutes", often(), 10)
	})
}

// TestWatchNotices has a change in several steps, a lost notice, and a folder
// in which another file never rests.
func TestWatchNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watcher := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
		often := looks(t, watcher)
		time.Sleep(time.Second)
		for range 3 {
			watcher.Events <- fsnotify.Event{}
			time.Sleep(settleAfter / 2)
		}
		checkLooks(t, "while files change", often(), 0)
		time.Sleep(settleAfter)
		checkLooks(t, "when they rest", often(), 1)
		watcher.Errors <- fsnotify.ErrEventOverflow
		time.Sleep(settleAfter)
		checkLooks(t, "behind a lost notice", often(), 2)
		for begin := time.Now(); time.Since(begin) < 10*settleWithin; time.Sleep(settleAfter / 2) {
			watcher.Events <- fsnotify.Event{}
		}
		checkLooks(t, "while a file never rests", often(), 2+10)
	})
}

// TestFoldersThatCannotBeWatched are warned of once.
func TestFoldersThatCannotBeWatched(t *testing.T) {
	watcher, err := fsnotify.NewWatcher()
	must(t, err)
	must(t, watcher.Close()) // which watches nothing any more
	var log bytes.Buffer
	var failed map[string]string
	for _, look := range []struct {
		name  string
		files []string
		warns int
	}{
		{"at first", []string{"/a/1", "/a/2", "/b/3"}, 2},
		{"again", []string{"/a/1", "/a/2", "/b/3"}, 0},
		{"another", []string{"/a/1", "/c/4"}, 1},
		{"one that was not of interest meanwhile", []string{"/a/1", "/b/3"}, 1},
	} {
		log.Reset()
		failed = watchFolders(watcher, look.files, failed, slog.New(slog.NewTextHandler(&log, nil)))
		if warns := strings.Count(log.String(), "level=WARN"); warns != look.warns {
			t.Errorf("%s, there are %d warnings, want %d:\n%s", look.name, warns, look.warns, &log)
		}
	}
}

// TestEditWhileLoading edits a file between its being loaded and the end of that:
// either it is loaded once more, or the next look takes it in.
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
				settings, err := w.read(func(file string, apis map[string]config.API) (*config.Config, error) {
					settings, err := config.Load(file, apis)
					loads++
					if loads == edit {
						w.write(edited, files[edited]+"\n")
					}
					stale = loads == edit
					return settings, err
				})
				must(t, err)
				if changed := config.Fingerprint(settings.Files()...) != w.fingerprint; changed != stale {
					t.Errorf("after %d loads, files seem changed: %t, want %t", loads, changed, stale)
				}
			})
		}
	}
}
