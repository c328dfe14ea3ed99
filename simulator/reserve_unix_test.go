//go:build unix

package simulator

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

// No other process can respond in place of an appliance that is off.
func TestOffReservesThePort(t *testing.T) {
	_, server := serve(t, NewDR("", Settings{}), ServerOptions{})
	address := strings.TrimPrefix(server.URL(), "https://")
	listen := func() error {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err == nil {
			_ = listener.Close()
		}
		return err
	}
	for range 2 {
		server.Off()
		if err := listen(); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening on the port of a server that is off: %v", err)
		}
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("connecting to a server that is off: %v, %v", conn, err)
		}
		if err := server.On(); err != nil {
			t.Fatal(err)
		}
	}
	server.Off()
	server.Close()
	if err := listen(); err != nil {
		t.Errorf("listening on the port of a server that is closed: %v", err)
	}
}
