package main

import (
	"log/slog"
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage may pile up, in percent of what is alive, where
// GOGC does not say. Nearly all that is alive is endpoints and their connections,
// which live for long: half as much garbage as by default is a fifth less memory,
// and costs a collection more now and then. docs/performance.md has the figures.
const gcPercent = 50

// limitGarbage sets the collector's target, which is the user's to choose.
func limitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// connectionsFor returns how many connections may be kept where so many files may
// be open: three quarters. The rest is for probes on fresh connections, scrapes,
// and the files of the configuration.
func connectionsFor(files uint64) int { return int(min(files, 1<<30) / 4 * 3) }

// probesFor returns how many probes may be in flight, 0 for any number. Each may have
// two files while it connects, of those that are not for kept connections: to run out
// of them would look like an appliance that is unreachable.
func probesFor(endpoints int, files uint64) int {
	if files == 0 {
		return 0
	}
	all := int(min(files, 1<<30))
	return max((all-min(endpoints, connectionsFor(files)))/2, 1)
}

// warnOfFiles tells when the endpoints' connections do not all fit.
func warnOfFiles(endpoints int, files uint64, logger *slog.Logger) {
	if keep := connectionsFor(files); files > 0 && endpoints > keep {
		logger.Warn("not every endpoint's connection can be kept, for too few files may be open: the others are probed on fresh connections, which costs several times the CPU; raise the limit (LimitNOFILE=, ulimit -n)",
			"endpoints", endpoints, "kept", keep, "limit", files, "wanted", endpoints/3*4+4)
	}
}
