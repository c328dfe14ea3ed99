package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
)

// stringer panics when called through a nil pointer, as most Stringers do.
type stringer struct{ text string }

func (s *stringer) String() string { return s.text }

type textError struct{}

func (textError) MarshalText() ([]byte, error) { return nil, errors.New("no text") }

type jsonPanic struct{ N int }

func (jsonPanic) MarshalJSON() ([]byte, error) { panic("boom") }

type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }

func TestLoggerLine(t *testing.T) {
	const ansi = "\x1b[31mred\x1b[0m"
	var pipe chan int

	for _, tc := range []struct {
		name         string
		log          func(*slog.Logger)
		logfmt, json string // without ts and caller
	}{
		{
			name:   "plain",
			log:    func(l *slog.Logger) { l.Info("probe failed", "endpoint", "a", "attempt", 2, "ok", false) },
			logfmt: `level=info msg="probe failed" endpoint=a attempt=2 ok=false`,
			json:   `{"attempt":2,"endpoint":"a","level":"info","msg":"probe failed","ok":false}`,
		},
		{
			name:   "a custom level",
			log:    func(l *slog.Logger) { l.Log(t.Context(), slog.LevelError+1, "m") },
			logfmt: `level=error+1 msg=m`,
			json:   `{"level":"error+1","msg":"m"}`,
		},
		{
			name:   "groups become dotted keys",
			log:    func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Warn("m", "c", 3) },
			logfmt: `level=warn msg=m a=1 g.b=2 g.h.c=3`,
			json:   `{"a":1,"g.b":2,"g.h.c":3,"level":"warn","msg":"m"}`,
		},
		{
			name: "group values",
			log: func(l *slog.Logger) {
				l.Info("m", slog.Group("g", "a", 1, slog.Group("h", "b", 2), slog.Group("", "c", 3), slog.Group("none")))
			},
			logfmt: `level=info msg=m g.a=1 g.h.b=2 g.c=3`,
			json:   `{"g.a":1,"g.c":3,"g.h.b":2,"level":"info","msg":"m"}`,
		},
		{
			name: "a LogValuer may return a group, or another LogValuer",
			log: func(l *slog.Logger) {
				l.Info("m", "g", valuer{slog.GroupValue(slog.Int("a", 1))}, "v", valuer{valuer{"deep"}})
			},
			logfmt: `level=info msg=m g.a=1 v=deep`,
			json:   `{"g.a":1,"level":"info","msg":"m","v":"deep"}`,
		},
		{
			name: "errors, durations, times, addresses",
			log: func(l *slog.Logger) {
				l.Info("m", "err", errors.New("refused: no"), "took", 1500*time.Millisecond,
					"at", time.Date(2026, 1, 2, 4, 4, 5, 6e6, time.FixedZone("CET", 3600)),
					"addr", netip.MustParseAddr("127.0.0.1"), "body", []byte("text"))
			},
			logfmt: `level=info msg=m err="refused: no" took=1.5s at=2026-01-02T03:04:05.006Z addr=127.0.0.1 body=text`,
			json: `{"addr":"127.0.0.1","at":"2026-01-02T03:04:05.006Z","body":"text","err":"refused: no",` +
				`"level":"info","msg":"m","took":"1.5s"}`,
		},
		{
			name: "nil, and a method that panics on nil",
			log: func(l *slog.Logger) {
				l.Info("m", "nil", nil, "ptr", (*stringer)(nil), "err", error(nil), "text", "null")
			},
			logfmt: `level=info msg=m nil=null ptr=<nil> err=null text="null"`,
			json:   `{"err":null,"level":"info","msg":"m","nil":null,"ptr":null,"text":"null"}`,
		},
		{
			name: "structured values",
			log: func(l *slog.Logger) {
				l.Info("m", "list", []string{"a b", "c"}, "map", map[string]int{"x": 1}, "struct", struct{ A, B int }{1, 2})
			},
			logfmt: `level=info msg=m list="[a b c]" map=map[x:1] struct="{A:1 B:2}"`,
			json:   `{"level":"info","list":["a b","c"],"map":{"x":1},"msg":"m","struct":{"A":1,"B":2}}`,
		},
		{
			name: "values that cannot be encoded",
			log: func(l *slog.Logger) {
				l.Info("m", "nan", math.NaN(), "inf", []float64{math.Inf(1)}, "chan", pipe,
					"text", textError{}, "panic", jsonPanic{7})
			},
			logfmt: `level=info msg=m nan=NaN inf=[+Inf] chan=<nil> text={} panic={N:7}`,
			json:   `{"chan":"<nil>","inf":"[+Inf]","level":"info","msg":"m","nan":"NaN","panic":"{N:7}","text":"{}"}`,
		},
		{
			name:   "keys that would lose the message or the line",
			log:    func(l *slog.Logger) { l.Info("m", "msg", "mine", " ", 1, "g=\" h", 2) },
			logfmt: `level=info msg=m logged_msg=mine !BADKEY=1 gh=2`,
			json:   `{"!BADKEY":1,"g=\" h":2,"level":"info","logged_msg":"mine","msg":"m"}`,
		},
		{
			name:   "in a group, no key is reserved",
			log:    func(l *slog.Logger) { l.WithGroup("g").Info("m", "msg", "mine") },
			logfmt: `level=info msg=m g.msg=mine`,
			json:   `{"g.msg":"mine","level":"info","msg":"m"}`,
		},
		{
			name: "nothing breaks the line",
			log: func(l *slog.Logger) {
				l.Info("a\nlevel=error msg=forged", "ansi", ansi, "err", errors.New("x\r\ny"), "k\ney", []string{"a\nb"})
			},
			logfmt: `level=info msg="a\nlevel=error msg=forged" ansi="\u001b[31mred\u001b[0m" err="x\r\ny" key="[a\nb]"`,
			json: `{"ansi":"\u001b[31mred\u001b[0m","err":"x\r\ny","k\ney":["a\nb"],` +
				`"level":"info","msg":"a\nlevel=error msg=forged"}`,
		},
		{
			name: "controls above ASCII, bidirectional overrides, invalid UTF-8; letters stay",
			log: func(l *slog.Logger) {
				l.Info("größe 世界 🙂", "csi", "\u009b31m", "bidi", "a\u202eb c", "tag", "\U000e0001", "del", "\x7f",
					"bad", "\xff", "k\u0085", []string{"\u2028"})
			},
			logfmt: `level=info msg="größe 世界 🙂" csi=\u009b31m bidi="a\u202eb c" tag=\udb40\udc01 del=\u007f ` +
				`bad="\ufffd" k\u0085=[\u2028]`,
			json: `{"bad":"\ufffd","bidi":"a\u202eb c","csi":"\u009b31m","del":"\u007f","k\u0085":["\u2028"],` +
				`"level":"info","msg":"größe 世界 🙂","tag":"\udb40\udc01"}`,
		},
	} {
		for format, want := range map[string]string{Logfmt: tc.logfmt, JSON: tc.json} {
			t.Run(tc.name+"/"+format, func(t *testing.T) {
				var buf bytes.Buffer
				tc.log(slog.New(withoutTimeAndCaller{newTestLogger(t, &buf, "debug", format).Handler()}))
				if got := strings.TrimSuffix(buf.String(), "\n"); got != want {
					t.Errorf("\n got %s\nwant %s", got, want)
				}
			})
		}
	}
}

func TestLoggerTimeAndCaller(t *testing.T) {
	for format, want := range map[string]string{
		Logfmt: `^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z caller=logging_test\.go:\d+ level=info msg=m\n$`,
		JSON:   `^{"caller":"logging_test\.go:\d+","level":"info","msg":"m","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"}\n$`,
	} {
		var buf bytes.Buffer
		newTestLogger(t, &buf, "info", format).Info("m")
		if !regexp.MustCompile(want).MatchString(buf.String()) {
			t.Errorf("%s: got %s", format, buf.String())
		}
	}
}

func TestLoggerLevel(t *testing.T) {
	for level, want := range map[string]string{
		"debug": "debug info warn error",
		"info":  "info warn error",
		"warn":  "warn error",
		"error": "error",
	} {
		var buf bytes.Buffer
		l := newTestLogger(t, &buf, level, Logfmt).With("a", 1).WithGroup("g")
		l.Debug("debug")
		l.Info("info")
		l.Warn("warn")
		l.Error("error")

		var got []string
		for _, line := range parseLogfmt(t, buf.Bytes()) {
			got = append(got, line[slog.MessageKey].(string))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("level %s: got %s, want %s", level, got, want)
		}
	}
}

func TestNewLoggerErrors(t *testing.T) {
	for _, tc := range []struct{ level, format, want string }{
		{"loud", "json", `log level "loud": must be debug, info, warn or error`},
		{"INFO", "json", `log level "INFO": must be debug, info, warn or error`},
		{"info", "xml", `log format "xml": must be logfmt or json`},
	} {
		_, err := New(io.Discard, tc.level, tc.format)
		if err == nil || err.Error() != tc.want {
			t.Errorf("New(%q, %q): got %v, want %s", tc.level, tc.format, err, tc.want)
		}
	}
}

func TestSlogContract(t *testing.T) {
	for format, parse := range map[string]func(*testing.T, []byte) []map[string]any{
		Logfmt: parseLogfmt,
		JSON:   parseJSON,
	} {
		t.Run(format, func(t *testing.T) {
			var buf bytes.Buffer
			slogtest.Run(t, func(t *testing.T) slog.Handler {
				t.Helper()
				buf.Reset()
				return newTestLogger(t, &buf, "info", format).Handler()
			}, func(t *testing.T) map[string]any {
				t.Helper()
				return parse(t, buf.Bytes())[0]
			})
		})
	}
}

// Loggers that share a parent must not modify each other's attributes or mix their
// lines.
func TestLoggerConcurrently(t *testing.T) {
	var buf bytes.Buffer // not safe for concurrent use, so the logger must serialize
	parent := newTestLogger(t, &buf, "info", Logfmt).With("a", 1).With("b", 2)

	var wg sync.WaitGroup
	for id := range 8 {
		wg.Go(func() {
			child := parent.With("id", id)
			for range 100 {
				child.Info("m", "same", id)
			}
		})
	}
	wg.Wait()

	lines := parseLogfmt(t, buf.Bytes())
	if len(lines) != 800 {
		t.Errorf("got %d lines, want 800", len(lines))
	}
	for _, line := range lines {
		if line["id"] != line["same"] {
			t.Fatalf("a child's attributes are mixed up: %v", line)
		}
	}
}

func BenchmarkLogger(b *testing.B) {
	for _, format := range []string{Logfmt, JSON} {
		l, err := New(io.Discard, "info", format)
		if err != nil {
			b.Fatal(err)
		}
		l = l.With("endpoint", "hcx-site-a")
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Info("state changed", "state", "valid", "took", time.Second)
			}
		})
		b.Run(format+"/disabled", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Debug("probed", "state", "valid", "took", time.Second)
			}
		})
	}
}

func newTestLogger(t *testing.T, w io.Writer, level, format string) *slog.Logger {
	t.Helper()
	l, err := New(w, level, format)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// withoutTimeAndCaller drops what differs between runs.
type withoutTimeAndCaller struct{ slog.Handler }

func (h withoutTimeAndCaller) Handle(ctx context.Context, r slog.Record) error {
	r.Time, r.PC = time.Time{}, 0
	return h.Handler.Handle(ctx, r)
}

func (h withoutTimeAndCaller) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutTimeAndCaller{h.Handler.WithAttrs(attrs)}
}

func (h withoutTimeAndCaller) WithGroup(name string) slog.Handler {
	return withoutTimeAndCaller{h.Handler.WithGroup(name)}
}

func parseJSON(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range bytes.Lines(data) {
		var flat map[string]any
		if err := json.Unmarshal(line, &flat); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, unflatten(flat))
	}
	return lines
}

// logfmtPair matches a key, its value (quoted as in JSON, or bare) and the separator.
var logfmtPair = regexp.MustCompile(`^([^ ="\n]+)=("(?:[^"\\\n]|\\.)*"|[^ ="\n]*)[ \n]`)

func parseLogfmt(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range bytes.Lines(data) {
		flat := map[string]any{}
		for rest := line; len(rest) > 0; {
			pair := logfmtPair.FindSubmatch(rest)
			if pair == nil {
				t.Fatalf("not logfmt: %q", rest)
			}
			value := string(pair[2])
			if strings.HasPrefix(value, `"`) {
				if err := json.Unmarshal(pair[2], &value); err != nil {
					t.Fatalf("%v: %s", err, pair[2])
				}
			}
			flat[string(pair[1])] = value
			rest = rest[len(pair[0]):]
		}
		lines = append(lines, unflatten(flat))
	}
	return lines
}

// unflatten converts our lines to what slogtest expects: groups as maps, and slog's own
// keys for the time and the source.
func unflatten(flat map[string]any) map[string]any {
	rename := map[string]string{"ts": slog.TimeKey, "caller": slog.SourceKey}
	nested := map[string]any{}
	for key, value := range flat {
		if name, ok := rename[key]; ok {
			key = name
		}
		path := strings.Split(key, ".")
		group := nested
		for _, name := range path[:len(path)-1] {
			if group[name] == nil {
				group[name] = map[string]any{}
			}
			group = group[name].(map[string]any)
		}
		group[path[len(path)-1]] = value
	}
	return nested
}
