package probe

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
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

	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// raw returns a handler that writes bytes to the connection itself, and closes it.
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

// spaces writes n spaces, and stops if the client disconnects. It returns how many were
// written.
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

// large returns a handler whose body has 100 MiB, with or without a Content-Length.
func large(announced bool, written *int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		const size = 100 << 20
		if announced {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		*written = spaces(w, size)
	}
}

// gzipped compresses a body.
func gzipped(body string) string {
	var b strings.Builder
	packed := gzip.NewWriter(&b)
	_, _ = io.WriteString(packed, body) // into memory
	_ = packed.Close()
	return b.String()
}

// deflated compresses a body, in zlib's format or in the bare one.
func deflated(body string, inZlib bool) string {
	var b strings.Builder
	var packed io.WriteCloser = zlib.NewWriter(&b)
	if !inZlib {
		packed, _ = flate.NewWriter(&b, flate.DefaultCompression)
	}
	_, _ = io.WriteString(packed, body) // into memory
	_ = packed.Close()
	return b.String()
}

func deflateBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "deflate")
	packed := zlib.NewWriter(w)
	spaces(packed, 100<<20)
	_ = packed.Close()
}

func gzipBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	spaces(packed, 100<<20)
	_ = packed.Close()
}

// drip sends a byte a second, without an end.
func drip(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, " ")
		w.(http.Flusher).Flush()
		stall(r, time.Second)
	}
}

// stall waits until d has passed or the client has disconnected.
func stall(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// silent reads the request, and sends nothing.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client has disconnected
	<-r.Context().Done()
}

func TestHostileResponses(t *testing.T) {
	var written int64
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		state   sessionapi.State
		why     string
	}{
		{"100 MiB announced", large(true, &written), sessionapi.InvalidResponse, "more than 1024 KiB"},
		{"100 MiB chunked", large(false, &written), sessionapi.InvalidResponse, "more than 1024 KiB"},
		{"gzip bomb", gzipBomb, sessionapi.InvalidResponse, "more than 1024 KiB"},
		{"not gzip", reply{200, map[string]string{"Content-Encoding": "gzip"}, "not gzip, but long enough to have a header"}.ServeHTTP, sessionapi.InvalidResponse, "gzip"},
		{"gzip without a header", reply{200, map[string]string{"Content-Encoding": "gzip"}, "hello"}.ServeHTTP, sessionapi.InvalidResponse, "gzip"},
		{"gzip without an end", reply{200, map[string]string{"Content-Encoding": "gzip"}, gzipped(hcxOK)[:100]}.ServeHTTP, sessionapi.InvalidResponse, "gzip"},
		{"x-gzip", reply{200, map[string]string{"Content-Encoding": "x-gzip"}, gzipped(hcxOK)}.ServeHTTP, sessionapi.Valid, "Logged in"},
		{"gzip in capitals", reply{200, map[string]string{"Content-Encoding": "GZip"}, gzipped(hcxOK)}.ServeHTTP, sessionapi.Valid, "Logged in"},
		{"identity", reply{200, map[string]string{"Content-Encoding": "identity"}, hcxOK}.ServeHTTP, sessionapi.Valid, "Logged in"},
		{"deflate", reply{200, map[string]string{"Content-Encoding": "deflate"}, deflated(hcxOK, true)}.ServeHTTP, sessionapi.Valid, "Logged in"},
		{"bare deflate", reply{200, map[string]string{"Content-Encoding": "deflate"}, deflated(hcxOK, false)}.ServeHTTP, sessionapi.Valid, "Logged in"},
		{"not deflate", reply{200, map[string]string{"Content-Encoding": "deflate"}, "\xff\xff\xff"}.ServeHTTP, sessionapi.InvalidResponse, "cannot be decoded: deflate"},
		{"deflate without an end", reply{200, map[string]string{"Content-Encoding": "deflate"}, deflated(hcxOK, true)[:100]}.ServeHTTP, sessionapi.InvalidResponse, "deflate: the body ends too soon"},
		{"deflate bomb", deflateBomb, sessionapi.InvalidResponse, "more than 1024 KiB"},
		{"empty, with a content coding", reply{200, map[string]string{"Content-Encoding": "deflate"}, ""}.ServeHTTP, sessionapi.InvalidResponse, "its body is empty"},
		{"one byte of gzip", reply{200, map[string]string{"Content-Encoding": "gzip"}, "\x1f"}.ServeHTTP, sessionapi.InvalidResponse, "gzip: the body ends too soon"},
		{"brotli", reply{200, map[string]string{"Content-Encoding": "br"}, "\x0b\x02\x80abc"}.ServeHTTP, sessionapi.InvalidResponse, "cannot be decoded: br: this content coding was not requested"},
		{"two codings", reply{200, map[string]string{"Content-Encoding": "gzip, br"}, gzipped(hcxOK)}.ServeHTTP, sessionapi.InvalidResponse, "gzip, br: this content coding"},
		{"truncated gzip", raw(ok + "Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n" + gzipped(hcxOK)), sessionapi.Unreachable, "was lost before the response to the check was complete"},
		{"XML", reply{200, nil, `<?xml version="1.0"?><session/>`}.ServeHTTP, sessionapi.InvalidResponse, "its body is XML"},
		{"drip", drip, sessionapi.Timeout, "the response began but was not completed"},
		{"silence", silent, sessionapi.Timeout, "no response arrived"},
		{"truncated body", raw(ok + "Content-Length: 100\r\n\r\n{"), sessionapi.Unreachable, "was lost before the response to the check was complete"},
		{"truncated chunk", raw(ok + "Transfer-Encoding: chunked\r\n\r\nff\r\n{"), sessionapi.Unreachable, "was lost before the response to the check was complete"},
		{"broken chunk", raw(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{"), sessionapi.InvalidResponse, "chunk"},
		{"truncated header", raw(ok + "Content-Length: 5\r\n"), sessionapi.Unreachable, "was lost before"},
		{"closed without a response", raw(""), sessionapi.Unreachable, "was lost before the response to the check:"},
		{"garbage", raw("SSH-2.0-OpenSSH_9.9\r\n"), sessionapi.InvalidResponse, "does not speak valid HTTP"},
		{"control characters", raw("HTTP/1.1 200 OK\r\n\x1b[31mred\r\n\r\n"), sessionapi.InvalidResponse, "does not speak valid HTTP"},
		{"two lengths", raw(ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), sessionapi.InvalidResponse, "does not speak valid HTTP"},
		{"header bomb", raw(ok + "X-Bomb: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), sessionapi.InvalidResponse, "headers exceed"},
		{"many headers", raw(ok + strings.Repeat("X-Bomb: x\r\n", 100_000) + "\r\n"), sessionapi.InvalidResponse, "headers exceed"},
		{"1xx first", raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"), sessionapi.InvalidResponse, "its body is empty"},
		{"endless 1xx", raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 100_000)), sessionapi.InvalidResponse, "does not speak valid HTTP"},
		{"101", raw("HTTP/1.1 101 Switching Protocols\r\n\r\n"), sessionapi.InvalidResponse, "101"},
		{"status 99", raw("HTTP/1.1 099 What\r\n\r\n"), sessionapi.InvalidResponse, "99"},
		{"HTTP/1.0", raw("HTTP/1.0 200 OK\r\n\r\n" + hcxOK), sessionapi.Valid, "Logged in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				written = 0
				r := mustProbe(t, piped(t, endpointFor("hcx", sessionapi.AuthToken), c.handler))
				if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
					t.Errorf("%s: %.300s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
				}
				if c.state == sessionapi.Timeout && r.Duration != 10*time.Second {
					t.Errorf("the timeout took %s, want 10s", r.Duration)
				}
				if len(r.Diagnosis) > 600 {
					t.Errorf("the diagnosis has %d bytes, want at most 600", len(r.Diagnosis))
				}
				synctest.Wait()
				if written > 2*transport.MaxBody {
					t.Errorf("%d bytes were read, want at most %d", written, 2*transport.MaxBody)
				}
			})
		})
	}
}

// A firewall may forget idle connections, and drop what is sent on them. After two timeouts on
// kept connections, none is kept.
func TestForgottenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := piped(t, endpointFor("dr", sessionapi.AuthToken), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
		var found []sessionapi.State
		for _, r := range probesFor(t, p, 8*time.Minute) {
			found = append(found, r.State)
			if r.State == sessionapi.Timeout && !strings.Contains(r.Diagnosis, "on a kept connection") {
				t.Errorf("timeout: %s", r.Diagnosis)
			}
		}
		if want := []sessionapi.State{sessionapi.Valid, sessionapi.Timeout, sessionapi.Valid, sessionapi.Timeout, sessionapi.Valid, sessionapi.Valid, sessionapi.Valid, sessionapi.Valid}; !slices.Equal(found, want) {
			t.Errorf("found %v, want %v", found, want)
		}
	})
}

// After a 101, the connection is closed. Another protocol follows, not a body, and the request's
// deadline would not apply to it.
func TestUpgradeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustProbe(t, piped(t, endpointFor("dr", sessionapi.AuthToken), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = buffered.Flush()
			_, _ = io.Copy(io.Discard, conn) // until the client disconnects
		})))
		if r.State != sessionapi.InvalidResponse || r.Duration >= 10*time.Second {
			t.Errorf("%s after %s: %s", r.State, r.Duration, r.Diagnosis)
		}
	})
}

// A large body takes little memory, compressed or not.
func TestHostileBodiesTakeLittleMemory(t *testing.T) {
	var written int64
	for name, handler := range map[string]http.HandlerFunc{"large": large(false, &written), "gzip": gzipBomb} {
		p := piped(t, endpointFor("dr", sessionapi.AuthToken), handler)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustProbe(t, p)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: %d MiB allocated, want at most 16", name, used>>20)
		}
	}
}

// An appliance may return any number of roles, and names of any length. The diagnosis and the
// names are cut.
func TestLongTextsAreCut(t *testing.T) {
	var roles strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&roles, `"role %d",`, i)
	}
	e := endpointFor("hcx", sessionapi.AuthToken)
	e.Expect.RolesExact = true
	p := piped(t, e, reply{status: 200, body: `{"success": true, "data": {"user": {"username": "` + strings.Repeat("a", 1000) + `", "roles": [` + roles.String() + `"x"]}}}`})
	r := mustProbe(t, p)
	if r.State != sessionapi.Unexpected || len(r.Diagnosis) > 2000 || !strings.Contains(r.Diagnosis, "and 9991 more") {
		t.Errorf("%s: %d bytes: %.2000s", r.State, len(r.Diagnosis), r.Diagnosis)
	}
	if n := len([]rune(r.Identity.Username)); n != sessionapi.MaxName+1 {
		t.Errorf("the name has %d characters, want %d", n, sessionapi.MaxName+1)
	}
}
