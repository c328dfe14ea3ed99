package secret

import (
	"strings"
	"time"

	"session_exporter/internal/boundedfile"
)

// MaxFileSize is the maximum size in bytes of a secret's file.
const MaxFileSize = 64 << 10

// byteOrderMark is the mark that Windows editors write at the start of UTF-8 files.
const byteOrderMark = "\ufeff"

// FromFile returns a source that reads a file. files remembers files that hang.
func FromFile(path string, files *boundedfile.Reader) Source {
	return Source{File: path, files: files}
}

func (s Source) readFile() (string, error) {
	content, err := s.files.Read(s.File, MaxFileSize)
	return strings.TrimPrefix(string(content), byteOrderMark), boundedfile.Reason(err)
}

// ModTime returns when the secret's file was modified, zero if unknown.
func (s Source) ModTime() time.Time {
	if s.File == "" {
		return time.Time{}
	}
	info, err := s.files.Stat(s.File)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
