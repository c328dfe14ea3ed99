package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/boundedfile"
)

// MaxSize is the size in bytes above which a configuration is rejected: that of all files
// together.
const MaxSize = 16 << 20

// The problems of a configuration that does not exist.
const (
	noSuchFile = "no such file; name another one"
	noMatch    = "no file matches this pattern; name another pattern or file"
)

// Missing reports whether the only problem is that the configuration does not exist.
func Missing(found Problems) bool {
	return len(found) == 1 && (found[0].Text == noSuchFile || found[0].Text == noMatch)
}

// read reads the loader's files, in addition to the given texts.
func (l *Loader) read(given []source) (sources []source, found Problems) {
	files, _, found := l.match()
	sources = slices.Clone(given)
	size := 0
	for _, s := range given {
		size += len(s.text)
	}
	for _, file := range files {
		text, err := l.files.Read(file, MaxSize)
		if err != nil {
			found = append(found, Problem{File: file, Text: l.readProblem(file, err)})
			continue
		}
		if size += len(text); size > MaxSize {
			break
		}
		sources = append(sources, source{file, text})
	}
	if size > MaxSize {
		return nil, append(found, Problem{File: nameOf(given, l.patterns), Text: fmt.Sprintf("is larger than %d MiB", MaxSize>>20)})
	}
	slices.SortFunc(sources, func(a, b source) int { return cmp.Compare(a.file, b.file) })
	return sources, found
}

func (l *Loader) readProblem(file string, err error) string {
	named := slices.Contains(l.patterns, file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && named:
		return noSuchFile
	case errors.Is(err, fs.ErrNotExist):
		return "no such file; remove the symbolic link, or restore the file that it leads to"
	case errors.Is(err, boundedfile.ErrDirectory) && named:
		return "is a directory; name its files, with a pattern such as " + filepath.Join(file, "*.yml")
	default:
		return boundedfile.Reason(err).Error()
	}
}

// maxNamed limits the patterns and texts that a name lists.
const maxNamed = 3

// nameOf returns the name of a configuration: the patterns and texts that it consists of.
func nameOf(given []source, patterns []string) string {
	names := slices.Clone(patterns)
	for _, s := range given {
		names = append(names, s.file)
	}
	slices.Sort(names)
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// match returns the files that the patterns match, sorted, each once, and paths in the
// directories where other files may match later.
func (l *Loader) match() (files, places []string, found Problems) {
	for _, pattern := range l.patterns {
		matches, err := l.files.Glob(pattern)
		switch {
		case pattern == "":
			// As in --config.file=$UNSET: without an error, its endpoints would not be watched.
			found = append(found, Problem{File: `""`, Text: noSuchFile})
		case err != nil:
			found = append(found, Problem{File: pattern, Text: boundedfile.Reason(err).Error()})
		case len(matches.Files) == 0:
			found = append(found, Problem{File: pattern, Text: noMatch})
		}
		files, places = append(files, matches.Files...), append(places, matches.Places...)
	}
	known := make(map[string]bool, len(files))
	files = slices.DeleteFunc(distinct(files), func(path string) bool {
		file, err := l.files.Resolve(path)
		again := err == nil && known[file]
		known[file] = true
		return again
	})
	return files, places, found
}

// Fingerprint returns a text that changes with the content of the configuration's files and
// of others. A file that cannot be read counts as different content.
func (l *Loader) Fingerprint(others ...string) string {
	files, _, found := l.match()
	return fingerprint(&l.files, append(files, others...)) + found.Error()
}

// Watched returns paths whose directories change when the configuration does: its files,
// and where other files may match.
func (l *Loader) Watched() []string {
	files, places, _ := l.match()
	return append(files, places...)
}

// TLSFiles returns the files of certificates and keys. The exporter reloads if one of them
// changes, because certificate authorities are only read with the configuration.
func (c *Config) TLSFiles() []string {
	var files []string
	for _, credential := range c.Credentials {
		if credential.OAuth2 != nil {
			files = append(files, tlsFiles(&credential.OAuth2.HTTP.TLS)...)
		}
	}
	for _, module := range c.Modules {
		files = append(files, tlsFiles(&module.HTTP.TLS)...)
	}
	for _, endpoint := range c.Endpoints {
		files = append(files, tlsFiles(&endpoint.HTTP.TLS)...)
	}
	return distinct(files)
}

// tlsFiles returns the files of a TLS block, empty strings for those that are not set.
func tlsFiles(tls *promconfig.TLSConfig) []string {
	return []string{tls.CAFile, tls.CertFile, tls.KeyFile}
}

// SecretFiles returns the files with credentials' secrets. They are read when they are
// used, so their changes require no reload.
func (c *Config) SecretFiles() []string {
	var files []string
	for _, credential := range c.Credentials {
		files = append(files, credential.Secret.File)
		if credential.OAuth2 != nil {
			files = append(files, credential.OAuth2.ClientSecret.File)
		}
	}
	return distinct(files)
}

func distinct(files []string) []string {
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool { return file == "" })
}

// fingerprint returns a hash of the content of files, empty without files. It sorts files.
func fingerprint(reader *boundedfile.Reader, files []string) string {
	files = distinct(files)
	if len(files) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, file := range files {
		content, err := reader.Read(file, MaxSize)
		fmt.Fprintf(sum, "%q %t %d\n", file, err == nil, len(content))
		_, _ = sum.Write(content) // a hash returns no errors
	}
	return hex.EncodeToString(sum.Sum(nil))
}
