package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
)

// Cause strips the layers of a network error that only repeat the address.
func Cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		if op.Op == "remote error" { // the other side failed the handshake
			return fmt.Errorf("%s: %w", op.Op, op.Err)
		}
		return op.Err
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the other side closed the connection")
	}
	return err
}
