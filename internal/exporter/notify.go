package exporter

import (
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify sends states to the service manager that started the process, if it expects
// them: systemd with Type=notify.
func (e *Exporter) notify(states ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(states, "\n")); err != nil {
		e.logger.Warn("cannot notify systemd", "err", err)
	}
}
