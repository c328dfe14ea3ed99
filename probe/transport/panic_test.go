package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// panicking is a transport that panics a while after it has a connection.
type panicking struct{ delay time.Duration }

func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	conn, _ := net.Pipe()
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{Conn: conn})
	time.Sleep(p.delay)
	panic("in RoundTrip")
}

// A panic of a detached exchange is passed on, with its stack, to the goroutine that
// waits for the exchange.
func TestPanicOfADetachedExchange(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		late  bool
	}{"in time": {time.Second, false}, "late": {15 * time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				x := responding(t, 0).Prepare(Request{Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: "appliance.test"}})
				x.transport = panicking{c.delay}
				returned := false
				defer func() {
					cause, ok := recover().(*Panic)
					if !ok || cause.Value != "in RoundTrip" || !strings.Contains(string(cause.Stack), "panicking.RoundTrip") {
						t.Errorf("recovered %+v", cause)
					}
					if returned != c.late {
						t.Errorf("SendDetached returned before the panic: %t, want %t", returned, c.late)
					}
				}()
				late := x.SendDetached(ctx, 30*time.Second)
				returned = true
				if !errors.Is(x.Err, context.DeadlineExceeded) {
					t.Errorf("error %v, want %v", x.Err, context.DeadlineExceeded)
				}
				(<-late).Exchange()
			})
		})
	}
}
