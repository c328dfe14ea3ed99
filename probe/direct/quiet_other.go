//go:build !unix

package direct

// Notices says whether it is noticed here that a server has closed a connection that
// idles, before a request is lost on it.
const Notices = false

// quiet cannot tell here whether the server has closed a connection: that will be
// seen when it is used.
func (c *conn) quiet() bool { return true }
