//go:build unix

package exporter

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/probe"
)

// The exporter tells systemd when it is ready, reloads and stops, and its number of endpoints.
func TestStatesForSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	defer func() { must(t, manager.Close()) }()
	t.Setenv("NOTIFY_SOCKET", socket)
	// Other states may come in between, because the file is watched too.
	await := func(state string) {
		t.Helper()
		must(t, manager.SetReadDeadline(time.Now().Add(time.Minute)))
		message := make([]byte, 4096)
		for n := 0; !strings.Contains(string(message[:n]), state); {
			var err error
			n, err = manager.Read(message)
			must(t, err)
		}
	}

	file := filepath.Join(t.TempDir(), "session_exporter.yml")
	write := func(text string) { must(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("credentials: {x: {token: t}}\nmodules: {dr: {api: dr, credential: x}}\n")
	e := newExporter([]string{file}, probe.NewManager(), slog.New(slog.DiscardHandler))
	must(t, e.Load(t.Context()))
	await("STATUS=Endpoints: 0")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hangup, ran := make(chan os.Signal), make(chan error, 1)
	go func() {
		ran <- e.Run(ctx, http.NotFoundHandler(), func(s *http.Server) error { return s.Serve(listener) }, hangup)
	}()
	await("READY=1")

	write("nothing: []\n")
	hangup <- syscall.SIGHUP
	await("RELOADING=1\nMONOTONIC_USEC=")
	await("STATUS=Configuration not loaded, see the log")
	await("READY=1")

	cancel()
	await("STOPPING=1")
	must(t, <-ran)
}
