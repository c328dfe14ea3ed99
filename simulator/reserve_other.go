//go:build !unix

package simulator

// reservePort is not supported on this system.
func reservePort(string) (release func()) { return nil }
