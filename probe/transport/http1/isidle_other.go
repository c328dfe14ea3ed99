//go:build !unix

package http1

// DetectsClose reports whether this platform detects that a server has closed an idle
// connection, before a request is lost on it.
const DetectsClose = false

// isIdle cannot detect on this platform that the server has closed a connection: that
// shows when it is used.
func (c *conn) isIdle() bool { return true }
