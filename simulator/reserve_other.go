//go:build !unix

package simulator

// reservePort returns nil, because it is not supported on this system.
func reservePort(string) (release func()) { return nil }
