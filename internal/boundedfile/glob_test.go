package boundedfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestGlob uses volumes with the layout of Kubernetes, and editors' temporary files.
func TestGlob(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"conf.d/team-a/..2026_01_01", "conf.d/team-b/..2026_01_02", "conf.d/.hidden", "conf.d/..data"} {
		must(t, os.MkdirAll(dir, 0o700))
	}
	for _, file := range []string{
		"conf.d/team-a/..2026_01_01/a.yml", "conf.d/team-a/..2026_01_01/b.yml", "conf.d/team-b/..2026_01_02/c.yml", "conf.d/.hidden/d.yml",
		"conf.d/..data/e.yml", "conf.d/f.yml", "conf.d/f.yml~", "conf.d/.f.yml.swp", "conf.d/.g.yml",
	} {
		must(t, os.WriteFile(file, nil, 0o600))
	}
	for link, target := range map[string]string{
		"conf.d/team-a/..data": "..2026_01_01", "conf.d/team-a/a.yml": "..data/a.yml", "conf.d/team-a/b.yml": "..data/b.yml",
		"conf.d/team-b/..data": "..2026_01_02", "conf.d/team-b/c.yml": "..data/c.yml", "conf.d/.#f.yml": "user@host.123", "conf.d/team-c": "nowhere",
	} {
		must(t, os.Symlink(target, link))
	}
	for _, c := range []struct {
		pattern       string
		files, places []string
	}{
		{"conf.d/f.yml", []string{"conf.d/f.yml"}, nil},
		{"conf.d/none.yml", []string{"conf.d/none.yml"}, nil},
		{"conf.d/*.yml", []string{"conf.d/f.yml"}, []string{"conf.d/*.yml"}},
		{"./conf.d//?.yml", []string{"conf.d/f.yml"}, []string{"conf.d/?.yml"}},
		{"conf.d/[.f]*.yml", []string{"conf.d/f.yml"}, []string{"conf.d/[.f]*.yml"}},
		{"conf.d/.*.yml", []string{"conf.d/.#f.yml", "conf.d/.g.yml"}, []string{"conf.d/.*.yml"}},
		{"conf.d/*/*.yml", []string{"conf.d/team-a/a.yml", "conf.d/team-a/b.yml", "conf.d/team-b/c.yml"}, []string{"conf.d/*", "conf.d/team-a/*.yml", "conf.d/team-b/*.yml"}},
		{"conf.d/team-[ab]/c.yml", []string{"conf.d/team-b/c.yml"}, []string{"conf.d/team-[ab]", "conf.d/team-a/c.yml", "conf.d/team-b/c.yml"}},
		{"*.d/f.yml", []string{"conf.d/f.yml"}, []string{"*.d", "conf.d/f.yml"}},
		{"none/*/*.yml", nil, nil},
	} {
		got, err := new(Reader).Glob(filepath.FromSlash(c.pattern))
		if err != nil || !slices.Equal(slashed(got.Files), c.files) || !slices.Equal(slashed(got.Places), c.places) {
			t.Errorf("%s: %q in %q, error %v, want %q in %q", c.pattern, got.Files, got.Places, err, c.files, c.places)
		}
	}
	if _, err := new(Reader).Glob("conf.d/[a"); !errors.Is(err, ErrBadPattern) {
		t.Errorf("a bracket that is not closed: error %v", err)
	}
}

// TestGlobUnlistableDirectory: files in a directory that cannot be listed must not seem
// gone.
func TestGlobUnlistableDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.Mkdir("links", 0o700))
	must(t, os.Symlink("loop", "links/loop"))
	if got, err := new(Reader).Glob("links/*/*.yml"); err == nil || got.Files != nil || Reason(err).Error() != "cannot list the directory links/loop: too many levels of symbolic links" {
		t.Errorf("a link to itself: found %q, error %v", got.Files, err)
	}
	must(t, os.MkdirAll("conf.d/team-a", 0o700))
	must(t, os.WriteFile("conf.d/team-a/a.yml", nil, 0o600))
	must(t, os.Chmod("conf.d/team-a", 0))
	t.Cleanup(func() { must(t, os.Chmod("conf.d/team-a", 0o700)) })
	if _, err := os.ReadDir("conf.d/team-a"); err == nil {
		return // root lists every directory
	}
	got, err := new(Reader).Glob("conf.d/*/*.yml")
	if !errors.Is(err, fs.ErrPermission) || got.Files != nil || Reason(err).Error() != "cannot list the directory conf.d/team-a: permission denied" {
		t.Errorf("found %q, error %v", got.Files, err)
	}
}

func slashed(paths []string) (slashes []string) {
	for _, path := range paths {
		slashes = append(slashes, filepath.ToSlash(path))
	}
	return slashes
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
