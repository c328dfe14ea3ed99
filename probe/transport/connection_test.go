package transport

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// endpoint simulates the probes of an endpoint: a request without a response closes the
// connection.
type endpoint struct {
	*Connection
	made time.Time // zero unless a connection is open
}

func newEndpoint(maxAge time.Duration) *endpoint {
	return &endpoint{Connection: &Connection{
		Client: new(Client), Counter: new(ConnCounter),
		Interval: time.Minute, MaxAge: maxAge, Offset: time.Duration(time.Now().UnixNano()),
	}}
}

// probe sends a request and reports whether the connection is kept.
func (e *endpoint) probe(responded bool) bool {
	e.Acquire()
	defer e.Release()
	x := &Exchange{Reused: !e.made.IsZero()}
	if !x.Reused {
		e.made = time.Now()
	}
	if x.CertSeenAt = e.made; responded {
		x.FirstByte = time.Now()
	}
	e.Record(x)
	kept := !e.certSeenAt.IsZero()
	if !kept || !responded {
		e.made = time.Time{}
	}
	return kept
}

// A connection is kept until its maximum age, and so is the next one.
func TestConnectionClosesAtMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(10 * time.Minute)
		var got string
		for range 20 {
			if e.probe(true) {
				got += "k"
			} else {
				got += "-"
			}
			time.Sleep(e.Interval)
		}
		if want := "kkkkkkkkk-kkkkkkkkk-"; got != want {
			t.Errorf("connections kept (k) or closed (-): %s, want %s", got, want)
		}
	})
}

// Probes on demand that are more frequent than the interval renew the connection once or twice
// in each period of its maximum age.
func TestFrequentProbesKeepTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(10 * time.Minute)
		closed := 0
		for range 60 * 12 {
			if !e.probe(true) {
				closed++
			}
			time.Sleep(e.Interval / 12)
		}
		if closed < 5 || closed > 12 {
			t.Errorf("%d connections were closed in an hour, want 5 to 12", closed)
		}
	})
}

// No connection is kept after two consecutive requests without a response on kept ones.
func TestNothingIsKeptAfterUnansweredRequests(t *testing.T) {
	e := newEndpoint(24 * time.Hour)
	var got string
	for _, responded := range []bool{true, true, false, true, true, true, false, true, false, true, true} {
		if e.probe(responded) {
			got += "k"
		} else {
			got += "-"
		}
	}
	if want := "kkkkkkkkk--"; got != want {
		t.Errorf("connections kept (k) or closed (-): %s, want %s", got, want)
	}
}

// At the limit, a new connection is not kept, and a kept one stays.
func TestLimitOfOpenConnections(t *testing.T) {
	e := newEndpoint(24 * time.Hour)
	dial := e.Counter.Track(func(context.Context, string, string) (net.Conn, error) {
		ours, _ := net.Pipe()
		return ours, nil
	})
	another, err := dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	e.Counter.SetMaxKept(1)
	if e.probe(true) {
		t.Error("a connection above the limit is kept")
	}
	_, _ = another.Close(), another.Close()
	if n := e.Counter.Count(); n != 0 || !e.probe(true) {
		t.Errorf("%d connections are open, or none is kept", n)
	}
	e.Counter.SetMaxKept(0)
	if !e.probe(true) {
		t.Error("the kept connection is closed")
	}
}
