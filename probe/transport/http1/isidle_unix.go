//go:build unix

package http1

import (
	"errors"
	"syscall"
)

// DetectsClose reports whether this platform detects that a server has closed an idle
// connection, before a request is lost on it.
const DetectsClose = true

// isIdle reports whether an unused connection is open and has nothing to read, which
// would be the server's close or unsolicited bytes. See nothingBuffered for bytes that
// have already been read.
func (c *conn) isIdle() bool {
	if c.system == nil {
		return true // a closed connection shows when it is used
	}
	var err error
	failed := c.system.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		return true // do not wait: Go's sockets never block
	})
	return failed == nil && (errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK))
}
