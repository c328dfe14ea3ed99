package boundedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrDirectory is the error for a directory.
var ErrDirectory = errors.New("is a directory")

var errIrregular = errors.New("is a pipe, a socket or a device; use a regular file")

// readRegular returns the content of a regular file of at most limit bytes. It follows
// symbolic links. It checks the path before opening it, because opening a device may have
// side effects, and the open file again, because the path may have been replaced in
// between. It stops reading after the limit, even if the file grows.
func readRegular(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = checkRegular(info, limit)
	}
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|openNonblocking, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	if info, err = file.Stat(); err == nil {
		err = checkRegular(info, limit)
	}
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = tooLarge(limit)
	}
	return content, err
}

func checkRegular(info fs.FileInfo, limit int64) error {
	switch {
	case info.IsDir():
		return ErrDirectory
	case !info.Mode().IsRegular():
		return errIrregular
	case info.Size() > limit:
		return tooLarge(limit)
	}
	return nil
}

func tooLarge(limit int64) error {
	if limit < 1<<20 {
		return fmt.Errorf("is larger than %d KiB", limit>>10)
	}
	return fmt.Errorf("is larger than %d MiB", limit>>20)
}
