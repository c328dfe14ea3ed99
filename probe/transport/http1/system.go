package http1

import (
	"net"
	"syscall"
)

// systemConn returns the operating system's connection, nil if none. Wrappers unwrap
// with NetConn, as tls.Conn does.
func systemConn(conn net.Conn) syscall.RawConn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = outer.NetConn()
	}
	if inner, ok := conn.(syscall.Conn); ok {
		if system, err := inner.SyscallConn(); err == nil {
			return system
		}
	}
	return nil
}
