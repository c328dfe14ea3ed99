//go:build unix

package direct

import (
	"errors"
	"syscall"
)

// Notices says whether it is noticed here that a server has closed a connection that
// idles, before a request is lost on it.
const Notices = true

// quiet reports whether a connection that idles is open, with nothing of it to be read
// (see drained for what has been): what nobody has asked for is the server's farewell,
// or belongs to no answer of ours.
func (c *conn) quiet() bool {
	if c.system == nil {
		return true // it will be seen when it is used
	}
	var err error
	failed := c.system.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		return true // whatever it says, it is not waited for: Go's sockets never block
	})
	return failed == nil && (errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK))
}
