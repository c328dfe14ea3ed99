package direct

import (
	"net"
	"syscall"
)

// systemConn is what the system has of a connection, nil where it is none of its
// own. Those around another one say so as tls.Conn does.
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
