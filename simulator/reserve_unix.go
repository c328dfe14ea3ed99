//go:build unix

package simulator

import (
	"net/netip"
	"syscall"
)

// reservePort binds the port of an address without listening, so that connections are refused
// and no other process can respond in place of an appliance that is off. It returns nil if it
// fails.
func reservePort(address string) (release func()) {
	addrPort, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil
	}
	var family int
	var name syscall.Sockaddr
	if addrPort.Addr().Is4() {
		family, name = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(addrPort.Port()), Addr: addrPort.Addr().As4()}
	} else {
		family, name = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(addrPort.Port()), Addr: addrPort.Addr().As16()}
	}
	syscall.ForkLock.RLock() // otherwise a child process might inherit the socket
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
