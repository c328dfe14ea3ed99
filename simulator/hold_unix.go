//go:build unix

package simulator

import (
	"net/netip"
	"syscall"
)

// hold keeps a port from being given to somebody else, who would answer in the place
// of an appliance that is off. Connections to it are refused all the same, for nobody
// listens. It returns nil where that cannot be had.
func hold(address string) (release func()) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil
	}
	var family int
	var name syscall.Sockaddr
	if at.Addr().Is4() {
		family, name = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	} else {
		family, name = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	}
	syscall.ForkLock.RLock() // or a child might hold it, too
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil
	}
	release = func() { _ = syscall.Close(socket) }
	if syscall.Bind(socket, name) != nil {
		release()
		return nil
	}
	return release
}
