// Package logging writes log/slog records as logfmt or JSON, with the encoders of go-kit/log
// and the keys ts, caller, level and msg, as many Prometheus exporters do.
package logging

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/go-kit/log"
)

// The log formats.
const (
	Logfmt = "logfmt"
	JSON   = "json"
)

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// New returns a logger that writes records of a level and above (debug, info, warn or
// error) to w, in Logfmt or JSON. Concurrent writes are serialized. If w is the standard
// error and systemd's journal reads it, lines have the priority of their level. A logfmt
// line looks like
//
//	ts=2026-01-02T15:04:05.000Z caller=schedule.go:123 level=info msg="probe failed" endpoint=a
func New(w io.Writer, level, format string) (*slog.Logger, error) {
	minimum, known := levels[level]
	if !known {
		return nil, fmt.Errorf("log level %q: must be debug, info, warn or error", level)
	}
	h := &handler{level: minimum, out: make(map[journal.Priority]log.Logger, len(priorities))}
	var encoder func(io.Writer) log.Logger
	switch format {
	case Logfmt:
		encoder, h.plain = log.NewLogfmtLogger, fmtText
	case JSON:
		encoder, h.plain = log.NewJSONLogger, jsonText
	default:
		return nil, fmt.Errorf("log format %q: must be logfmt or json", format)
	}
	shared := log.NewSyncWriter(w)
	for _, priority := range priorities {
		out := shared
		if isJournal(w) {
			out = priorityWriter{shared, priority}
		}
		h.out[priority] = encoder(escapingWriter{out})
	}
	return slog.New(h), nil
}

// handler is a slog.Handler that encodes with go-kit/log. Groups become dotted keys,
// because logfmt cannot nest.
type handler struct {
	level   slog.Level
	out     map[journal.Priority]log.Logger
	plain   func(any) any // makes a value of any type encodable
	prefix  string        // the open groups: "a.b."
	keyvals []any         // from WithAttrs; never modified in place, children share it
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	child := *h
	child.prefix += name + "."
	return &child
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	child := *h
	child.keyvals = slices.Clip(h.keyvals)
	for _, a := range attrs {
		child.keyvals = h.appendAttr(child.keyvals, h.prefix, a)
	}
	return &child
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	keyvals := make([]any, 0, 8+len(h.keyvals)+2*r.NumAttrs())
	if !r.Time.IsZero() {
		// Always three decimals, so that lines align.
		keyvals = append(keyvals, "ts", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if src := r.Source(); src != nil {
		keyvals = append(keyvals, "caller", filepath.Base(src.File)+":"+strconv.Itoa(src.Line))
	}
	keyvals = append(keyvals, "level", strings.ToLower(r.Level.String()), "msg", r.Message)
	keyvals = append(keyvals, h.keyvals...)
	r.Attrs(func(a slog.Attr) bool {
		keyvals = h.appendAttr(keyvals, h.prefix, a)
		return true
	})
	return h.out[priority(r.Level)].Log(keyvals...)
}

// appendAttr flattens a. It appends only keys and values that both encoders can write,
// because an encoder's error would lose the whole line.
func (h *handler) appendAttr(keyvals []any, prefix string, a slog.Attr) []any {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return keyvals
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			keyvals = h.appendAttr(keyvals, prefix, member)
		}
		return keyvals
	}
	return append(keyvals, prefix+safeKey(prefix, a.Key), h.value(a.Value))
}

func (h *handler) value(v slog.Value) any {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindFloat64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return v.String() // JSON has no NaN and infinities
		}
	case slog.KindAny:
		return h.plain(v.Any())
	}
	return v.Any()
}

// safeKey returns key or a replacement. The JSON encoder would let a second "msg"
// replace the message, and the logfmt encoder rejects a line if none of a key's
// characters is valid.
func safeKey(prefix, key string) string {
	switch {
	case prefix == "" && slices.Contains([]string{"ts", "caller", "level", "msg"}, key):
		return "logged_" + key // the name that Prometheus uses
	case strings.TrimFunc(key, func(r rune) bool {
		return r <= ' ' || r == '=' || r == '"' || r == utf8.RuneError
	}) == "":
		return "!BADKEY" // the name that log/slog uses
	}
	return key
}

// fmtText returns nil, or v as text. Without it, the logfmt encoder writes "unsupported
// value type" for slices, maps and structs.
func fmtText(v any) any {
	if v == nil {
		return nil
	}
	if text, ok := ownText(v); ok {
		return text
	}
	return fmt.Sprintf("%+v", v)
}

// jsonText is like fmtText, but keeps a value's structure if JSON can express it.
func jsonText(v any) (text any) {
	defer func() {
		if recover() != nil { // a MarshalJSON method panicked
			text = fmt.Sprintf("%+v", v)
		}
	}()
	if text, ok := ownText(v); ok {
		return text
	}
	if data, err := json.Marshal(v); err == nil {
		return json.RawMessage(data)
	}
	return fmt.Sprintf("%+v", v)
}

// ownText returns the text from v's own methods. It returns false if v has none or they
// panic, typically because v is a nil pointer, which fmt prints as <nil>.
func ownText(v any) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	switch v := v.(type) {
	case []byte:
		return string(v), true
	case encoding.TextMarshaler:
		data, err := v.MarshalText()
		return string(data), err == nil
	case error:
		return v.Error(), true
	case fmt.Stringer:
		return v.String(), true
	}
	return "", false
}

// escapingWriter escapes characters that a terminal or an editor may interpret and the
// encoders leave as they are, such as DEL, the C1 controls (U+009B starts an escape sequence,
// as ESC [ does), line separators and bidirectional overrides. The encoders escape
// everything below space.
type escapingWriter struct{ w io.Writer }

func (e escapingWriter) Write(line []byte) (int, error) {
	escaped := line
	if bytes.ContainsFunc(line, invisible) {
		escaped = make([]byte, 0, 2*len(line))
		for _, r := range string(line) {
			if !invisible(r) {
				escaped = utf8.AppendRune(escaped, r)
				continue
			}
			// UTF-16, because JSON's \u takes four digits.
			for _, unit := range utf16.AppendRune(nil, r) {
				escaped = fmt.Appendf(escaped, `\u%04x`, unit)
			}
		}
	}
	_, err := e.w.Write(escaped)
	return len(line), err
}

func invisible(r rune) bool { return r > '~' && !unicode.IsGraphic(r) }
