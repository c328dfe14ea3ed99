//go:build unix

package exporter

import "syscall"

// openFiles returns the process's open-file limit, 0 if unknown. Go raises the soft
// limit to the hard limit when the process starts.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some systems
}
