//go:build !unix

package exporter

// openFiles returns the process's open-file limit, 0 if unknown.
func openFiles() uint64 { return 0 }
