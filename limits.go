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

// The bounds of how many files are left to what is not a connection to an endpoint:
// scrapes, what the configuration names, the log. A sixteenth is, within them.
const (
	leastSpare = 16
	mostSpare  = 256
)

// connectionsFor returns how many connections may be kept where so many files may
// be open: three quarters. The rest is for probes on fresh connections, scrapes,
// and the files of the configuration.
func connectionsFor(files uint64) int { return int(min(files, 1<<30) / 4 * 3) }

// filesForProbes returns how many of so many files are for connections to endpoints,
// be they kept or a probe's.
func filesForProbes(files uint64) int {
	all := int(min(files, 1<<30))
	return max(all-min(max(all/16, leastSpare), mostSpare), 0)
}

// limitFiles has so many files suffice, 0 where nobody knows how many: to run out of
// them would look like an appliance that is unreachable. It goes by the connections
// that there are. An endpoint that hangs has none between its probes, and to hold a
// file for it all the same would keep others waiting.
func (e *exporter) limitFiles(files uint64) {
	e.openFiles = files
	if files == 0 {
		return
	}
	e.probers.Keep(connectionsFor(files))
	most := filesForProbes(files)
	e.watch.Bound(func(probes int) bool { return e.probers.Files(probes) <= most })
}

// warnOfFiles tells when too few files may be open for the connection of every
// endpoint, or for the probes that are in flight while appliances hang: so many when
// all of them do.
func warnOfFiles(endpoints, probes int, files uint64, logger *slog.Logger) {
	if files == 0 {
		return
	}
	// That so many suffice for: enough to keep all connections, and enough for two
	// files a probe and a sixteenth of all to spare.
	wanted := max(endpoints/3*4+4, 2*probes+min(max(probes/7+1, leastSpare), mostSpare))
	keep := connectionsFor(files)
	if endpoints > keep {
		logger.Warn("not every endpoint's connection can be kept, for too few files may be open: the others are probed on fresh connections, which costs several times the CPU; raise the limit (LimitNOFILE=, ulimit -n)",
			"endpoints", endpoints, "kept", keep, "limit", files, "wanted", wanted)
	}
	// It is worst where all hang, or where so many do that the connections of the
	// others are just those that can be kept.
	for _, kept := range []int{0, min(keep, endpoints)} {
		hanging := endpoints - kept
		needed := int(float64(probes) * float64(hanging) / float64(max(endpoints, 1)))
		if possible := max((filesForProbes(files)-kept)/2, 1); needed > possible {
			logger.Warn("when very many appliances hang at once, probes begin late or are left out, also those of the others, for too few files may be open for all that are in flight then; raise the limit (LimitNOFILE=, ulimit -n)",
				"hanging", hanging, "needed", needed, "possible", possible, "limit", files, "wanted", wanted)
			return
		}
	}
}
