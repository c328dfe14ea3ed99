package probe

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

// raw writes bytes to the connection itself, and closes it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = buffered.WriteString(text)
		_ = buffered.Flush()
	}
}

// spaces writes n of them, and stops when nobody reads on.
func spaces(w io.Writer, n int64) int64 {
	block := bytes.Repeat([]byte(" "), 64<<10)
	var written int64
	for written < n {
		m, err := w.Write(block)
		written += int64(m)
		if err != nil {
			break
		}
	}
	return written
}

func large(announced bool, written *int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		const size = 100 << 20
		if announced {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		*written = spaces(w, size)
	}
}

// gzipped packs a body.
func gzipped(body string) string {
	var b strings.Builder
	packed := gzip.NewWriter(&b)
	_, _ = io.WriteString(packed, body) // into memory
	_ = packed.Close()
	return b.String()
}

func gzipBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	spaces(packed, 100<<20)
	_ = packed.Close()
}

func drip(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, " ")
		w.(http.Flusher).Flush()
		pass(r, time.Second)
	}
}

// pass lets time go by while the client is there.
func pass(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client has gone
	<-r.Context().Done()
}

func TestHostileAnswers(t *testing.T) {
	var written int64
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		state   State
		why     string
	}{
		{"100 MB announced", large(true, &written), InvalidResponse, "more than 1024 KiB"},
		{"100 MB chunked", large(false, &written), InvalidResponse, "more than 1024 KiB"},
		{"gzip bomb", gzipBomb, InvalidResponse, "more than 1024 KiB"},
		{"gzip that is none", reply{200, map[string]string{"Content-Encoding": "gzip"}, "not gzip, but long enough to have a header"}.ServeHTTP, InvalidResponse, "gzip"},
		{"gzip without a header", reply{200, map[string]string{"Content-Encoding": "gzip"}, "hello"}.ServeHTTP, InvalidResponse, "gzip"},
		{"gzip without an end", reply{200, map[string]string{"Content-Encoding": "gzip"}, gzipped(hcxOK)[:100]}.ServeHTTP, InvalidResponse, "gzip"},
		{"x-gzip", reply{200, map[string]string{"Content-Encoding": "x-gzip"}, gzipped(hcxOK)}.ServeHTTP, Valid, "logged in"},
		{"XML", reply{200, nil, `<?xml version="1.0"?><session/>`}.ServeHTTP, InvalidResponse, "its body is XML"},
		{"drip", drip, Timeout, "the answer began and did not end"},
		{"silence", silent, Timeout, "no answer began"},
		{"truncated body", raw(ok + "Content-Length: 100\r\n\r\n{"), Unreachable, "broke before the answer to the check was complete"},
		{"truncated chunk", raw(ok + "Transfer-Encoding: chunked\r\n\r\nff\r\n{"), Unreachable, "broke before the answer to the check was complete"},
		{"broken chunk", raw(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{"), InvalidResponse, "chunk"},
		{"truncated header", raw(ok + "Content-Length: 5\r\n"), Unreachable, "broke before"},
		{"closed without an answer", raw(""), Unreachable, "broke before the check was answered"},
		{"garbage", raw("SSH-2.0-OpenSSH_9.9\r\n"), InvalidResponse, "does not speak HTTP properly"},
		{"control characters", raw("HTTP/1.1 200 OK\r\n\x1b[31mred\r\n\r\n"), InvalidResponse, "does not speak HTTP properly"},
		{"two lengths", raw(ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), InvalidResponse, "does not speak HTTP properly"},
		{"header bomb", raw(ok + "X-Bomb: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), InvalidResponse, "headers exceeded"},
		{"many headers", raw(ok + strings.Repeat("X-Bomb: x\r\n", 100_000) + "\r\n"), InvalidResponse, "headers exceeded"},
		{"1xx first", raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"), InvalidResponse, "its body is empty"},
		{"1xx for ever", raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 100_000)), InvalidResponse, "does not speak HTTP properly"},
		{"101", raw("HTTP/1.1 101 Switching Protocols\r\n\r\n"), InvalidResponse, "101"},
		{"status 99", raw("HTTP/1.1 099 What\r\n\r\n"), InvalidResponse, "99"},
		{"HTTP/1.0", raw("HTTP/1.0 200 OK\r\n\r\n" + hcxOK), Valid, "logged in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				written = 0
				r := mustProbe(t, piped(t, endpointFor("hcx", config.AuthToken), c.handler))
				if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
					t.Errorf("%s: %.300s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
				}
				if c.state == Timeout && r.Duration != 10*time.Second {
					t.Errorf("took %s", r.Duration)
				}
				if len(r.Diagnosis) > 600 {
					t.Errorf("the diagnosis has %d bytes", len(r.Diagnosis))
				}
				synctest.Wait()
				if written > 2*maxBody {
					t.Errorf("%d bytes were taken", written)
				}
			})
		})
	}
}

// What stands in between may forget a connection that idles, and take what is sent on
// it all the same.
func TestForgottenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := piped(t, endpointFor("dr", config.AuthToken), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(drOK), drOK)
			_ = buffered.Flush()
			_, _ = io.Copy(io.Discard, buffered)
		}))
		var found []State
		for _, r := range probesFor(t, p, 8*time.Minute) {
			found = append(found, r.State)
			if r.State == Timeout && !strings.Contains(r.Diagnosis, "on a connection that had been kept") {
				t.Errorf("timeout: %s", r.Diagnosis)
			}
		}
		if want := []State{Valid, Timeout, Valid, Timeout, Valid, Valid, Valid, Valid}; !slices.Equal(found, want) {
			t.Errorf("found %v, want %v", found, want)
		}
	})
}

// A 101 hands the connection over: what comes on it is no body, and no
// deadline ends it.
func TestUpgradeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustProbe(t, piped(t, endpointFor("dr", config.AuthToken), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = buffered.Flush()
			_, _ = io.Copy(io.Discard, conn) // until the client goes
		})))
		if r.State != InvalidResponse || r.Duration >= 10*time.Second {
			t.Errorf("%s after %s: %s", r.State, r.Duration, r.Diagnosis)
		}
	})
}

func TestHostileBodiesTakeNoMemory(t *testing.T) {
	var written int64
	for name, handler := range map[string]http.HandlerFunc{"large": large(false, &written), "gzip": gzipBomb} {
		p := piped(t, endpointFor("dr", config.AuthToken), handler)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustProbe(t, p)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: %d MiB", name, used>>20)
		}
	}
}

// An appliance may have any number of roles, errors and names.
func TestLongTextsAreCut(t *testing.T) {
	var roles strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&roles, `"role %d",`, i)
	}
	e := endpointFor("hcx", config.AuthToken)
	e.Expect.RolesExact = true
	p := piped(t, e, reply{status: 200, body: `{"success": true, "data": {"user": {"username": "` + strings.Repeat("a", 1000) + `", "roles": [` + roles.String() + `"x"]}}}`})
	r := mustProbe(t, p)
	if r.State != Unexpected || len(r.Diagnosis) > 2000 || !strings.Contains(r.Diagnosis, "and 9991 more") {
		t.Errorf("%s: %d bytes: %.2000s", r.State, len(r.Diagnosis), r.Diagnosis)
	}
	if n := len([]rune(r.Identity.Username)); n != maxName+1 {
		t.Errorf("the name has %d characters", n)
	}
}
