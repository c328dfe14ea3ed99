package transport

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// The dialer gets a timeout of its own, not the request's deadline. Dialing still ends when that
// deadline passes.
func TestDialHasItsOwnTimeout(t *testing.T) {
	const bound = 5 * time.Second
	dial := DialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
		if deadline, _ := ctx.Deadline(); time.Until(deadline) != bound {
			t.Errorf("the dialer has %s, want %s", time.Until(deadline), bound)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}).within(bound)
	for _, c := range []struct{ within, want time.Duration }{{30 * time.Second, bound}, {time.Second, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.within)
			defer cancel()
			begin := time.Now()
			if _, err := dial(ctx, "tcp", "appliance.test:443"); err == nil || time.Since(begin) != c.want {
				t.Errorf("%v after %s, want an error after %s", err, time.Since(begin), c.want)
			}
		})
	}
}
