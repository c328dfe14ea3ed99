//go:build unix

package boundedfile

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const limit = 64 << 10

// strange creates files of every kind that cannot be read, and returns the expected
// error of each.
func strange(t *testing.T) (dir string, why map[string]string) {
	t.Helper()
	dir = t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const irregular = "is a pipe, a socket or a device; use a regular file"
	must(os.Mkdir(filepath.Join(dir, "directory"), 0o700))
	must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	must(os.Symlink("pipe", filepath.Join(dir, "link-to-pipe")))
	must(os.Symlink("/dev/zero", filepath.Join(dir, "link-to-zero")))
	must(os.Symlink("missing", filepath.Join(dir, "link-to-nothing")))
	must(os.WriteFile(filepath.Join(dir, "huge"), nil, 0o600))
	must(os.Truncate(filepath.Join(dir, "huge"), 256<<20))
	must(os.WriteFile(filepath.Join(dir, "one-too-many"), make([]byte, limit+1), 0o600))
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(err)
	t.Cleanup(func() { _ = listener.Close() })
	return dir, map[string]string{
		"directory": "is a directory", "pipe": irregular, "link-to-pipe": irregular, "link-to-zero": irregular, "socket": irregular,
		"/dev/zero": irregular, "/dev/null": irregular, "huge": "is larger than 64 KiB", "one-too-many": "is larger than 64 KiB",
		"link-to-nothing": "no such file or directory", "missing": "no such file or directory", "pipe/below": "not a directory",
	}
}

func in(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func TestStrangeFiles(t *testing.T) {
	dir, why := strange(t)
	for name, want := range why {
		begin := time.Now()
		content, err := Read(in(dir, name), limit)
		if err == nil || Reason(err).Error() != want || content != nil || time.Since(begin) > 10*time.Second {
			t.Errorf("%s: read %d bytes, error %v after %s, want %s", name, len(content), err, time.Since(begin), want)
		}
	}
}

// TestFilesUpToTheirLimit reads a file of exactly the limit through a symbolic link, and a
// file whose size the file system does not report.
func TestFilesUpToTheirLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", limit)), 0o600); err != nil {
		t.Fatal(err)
	}
	link := file + "-link"
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if content, err := Read(link, limit); err != nil || len(content) != limit {
		t.Errorf("read %d bytes, %v", len(content), err)
	}
	if content, err := Read("/proc/self/status", limit); err != nil && !os.IsNotExist(err) || err == nil && len(content) == 0 {
		t.Errorf("read %d bytes of /proc, %v", len(content), err)
	}
	if _, err := Read("/proc/self/status", 10); err != nil && !os.IsNotExist(err) && Reason(err).Error() != tooLarge(10).Error() {
		t.Errorf("a file that grows: %v", err)
	}
}

// TestFileReplacedWhileOpened checks that the open file is verified, not only the path.
func TestFileReplacedWhileOpened(t *testing.T) {
	dir, _ := strange(t)
	file, err := os.OpenFile(filepath.Join(dir, "pipe"), os.O_RDONLY|openNonblocking, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || checkRegular(info, limit) == nil {
		t.Errorf("an open pipe is accepted as a regular file: %v", err)
	}
}
