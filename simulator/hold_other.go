//go:build !unix

package simulator

// hold cannot keep a port here that nobody listens at.
func hold(string) (release func()) { return nil }
