package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

// responding returns a client whose server responds after a delay.
func responding(t *testing.T, delay time.Duration) *Client {
	t.Helper()
	client, err := NewClient(new(config.HTTP), func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			if _, err := theirs.Read(make([]byte, 4096)); err != nil {
				return
			}
			time.Sleep(delay)
			_, _ = theirs.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
		}()
		return ours, nil
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Transport.CloseIdleConnections)
	return client
}

// A detached exchange outlives its deadline only if the request was sent before it.
func TestSendDetached(t *testing.T) {
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		delay       time.Duration
		canceled    time.Duration // after this time; 0: never
		beforeWrite func() error
		err         error
		late        int // status of the late response, 0 if it has none, -1 if nothing is late
	}{
		"in time":               {delay: time.Second, late: -1},
		"late":                  {delay: 15 * time.Second, err: context.DeadlineExceeded, late: 204},
		"too late":              {delay: time.Hour, err: context.DeadlineExceeded, late: 0},
		"canceled":              {delay: 15 * time.Second, canceled: time.Second, err: context.Canceled, late: -1},
		"write not permitted":   {beforeWrite: func() error { return refused }, err: context.Canceled, late: -1},
		"deadline before write": {beforeWrite: func() error { time.Sleep(15 * time.Second); return nil }, err: context.DeadlineExceeded, late: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				defer time.Sleep(2 * time.Hour) // until the server stops
				if c.canceled > 0 {
					time.AfterFunc(c.canceled, cancel)
				}
				x := responding(t, c.delay).Prepare(Request{Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: "appliance.test"}})
				x.BeforeWrite = c.beforeWrite
				late := x.SendDetached(ctx, 30*time.Second)
				if !errors.Is(x.Err, c.err) {
					t.Errorf("error %v, want %v", x.Err, c.err)
				}
				if (late != nil) != (c.late >= 0) {
					t.Fatalf("late is %t, want %t", late != nil, c.late >= 0)
				}
				if late == nil {
					return
				}
				whole := (<-late).Exchange()
				if whole.Response.Status != c.late || (whole.Err == nil) != (c.late > 0) || x.Response.Status != 0 {
					t.Errorf("the late status is %d, error %v, want %d; the status at the deadline is %d", whole.Response.Status, whole.Err, c.late, x.Response.Status)
				}
			})
		})
	}
}
