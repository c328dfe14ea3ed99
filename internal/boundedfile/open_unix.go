//go:build unix

package boundedfile

import "syscall"

// openNonblocking keeps open(2) from blocking on a pipe that has replaced a regular
// file.
const openNonblocking = syscall.O_NONBLOCK
