//go:build !unix

package boundedfile

// openNonblocking is 0 where the file system has no named pipes.
const openNonblocking = 0
