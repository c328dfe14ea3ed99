package boundedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Matches are the files that match a pattern.
type Matches struct {
	// Files are their paths, sorted.
	Files []string
	// Places are paths in the directories where other files may match later.
	Places []string
}

// Glob returns the files that match a pattern of filepath.Match, within two seconds. A path
// without special characters matches itself, even if there is no such file.
//
// Unlike filepath.Glob, and like shells, it matches a leading dot only with a dot in the
// pattern, which excludes the directories of a Kubernetes volume and the files of editors. A
// directory that cannot be listed is an error: its files would otherwise seem gone.
func (r *Reader) Glob(pattern string) (Matches, error) {
	if !isPattern(pattern) {
		return Matches{Files: []string{pattern}}, nil
	}
	return inTime(r, pattern, glob)
}

// isPattern reports whether a path has characters that are special in patterns.
func isPattern(path string) bool {
	special := `*?[\`
	if runtime.GOOS == "windows" {
		special = `*?[` // the backslash is a separator
	}
	return strings.ContainsAny(path, special)
}

// ErrBadPattern is the error for a malformed pattern.
var ErrBadPattern = errors.New("the pattern has a `[` without a `]`, or ends in a backslash; put a backslash before a `[` that is part of a name")

func glob(pattern string) (Matches, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return Matches{}, &fs.PathError{Op: "glob", Path: pattern, Err: ErrBadPattern}
	}
	var found Matches
	files, err := found.match(filepath.Clean(pattern))
	if err != nil {
		return Matches{}, err
	}
	slices.Sort(files)
	found.Files = files
	return found, nil
}

// match returns the paths that match a pattern, and adds the places that it searched.
func (m *Matches) match(pattern string) (paths []string, err error) {
	if !isPattern(pattern) {
		return []string{pattern}, nil
	}
	dir, name := filepath.Dir(pattern), filepath.Base(pattern)
	dirs, err := m.match(dir)
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		entries, err := list(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "list", Path: dir, Err: fmt.Errorf("cannot list the directory %s: %w", dir, Reason(err))}
		}
		m.Places = append(m.Places, filepath.Join(dir, name))
		for _, entry := range entries {
			hidden := strings.HasPrefix(entry.Name(), ".") && !strings.HasPrefix(name, ".")
			if matches, _ := filepath.Match(name, entry.Name()); matches && !hidden { // the pattern is valid
				paths = append(paths, filepath.Join(dir, entry.Name()))
			}
		}
	}
	return paths, nil
}

// list returns the entries of a directory. For anything else, it returns fs.ErrNotExist
// without opening it, because it may be a pipe.
func list(path string) ([]fs.DirEntry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return os.ReadDir(path)
}
