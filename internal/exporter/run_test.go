package exporter

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TLS handshake errors do not flood the log; panics in handlers are logged.
func TestServerLog(t *testing.T) {
	var log bytes.Buffer
	logger := slog.NewLogLogger(serverLog{slog.NewTextHandler(&log, nil)}, slog.LevelError)
	logger.Print("http: TLS handshake error from 10.0.0.1:4711: EOF")
	if log.Len() > 0 {
		t.Errorf("it logs %q", log.String())
	}
	logger.Print("http: panic serving 10.0.0.1:4711: runtime error")
	if got := log.String(); !strings.Contains(got, `level=ERROR msg="HTTP server error" err="http: panic serving 10.0.0.1:4711: runtime error"`) {
		t.Errorf("it logs %q", got)
	}
}
