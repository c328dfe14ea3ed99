package exporter

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"session_exporter/config"
)

// gcPercent is the garbage collector's target if GOGC is not set. Nearly all of the
// heap is endpoints and their connections, which are long-lived: half of Go's default
// saves a fifth of the memory for slightly more frequent collections.
const gcPercent = 50

// LimitGarbage sets the garbage collector's target for the process, unless the user has.
func LimitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// limits are the limits on everything that needs open files.
type limits struct {
	files   uint64 // the open-file limit; 0 if unknown
	clients int    // connections to our own port
	kept    int    // connections to endpoints between probes; 0 for no bound
	probes  int    // probes in flight; 0 for no bound
}

const (
	// spareFiles are for listeners, standard streams, configuration and secret files, and
	// the few negative controls in flight.
	spareFiles = 16
	// filesPerProbe is how many files a probe needs while it connects: it may dial two
	// addresses, or send two DNS queries, concurrently.
	filesPerProbe = 2
	minClients    = 8
	maxClients    = 512
)

// limitsFor divides the files that the process may open. An eighth, but at least minClients
// and at most maxClients, are for clients of our port, and spareFiles are set aside. Of the
// rest, half are for kept connections and half for probes. So neither clients nor appliances
// that hang can make a probe run out of files, which would be reported as `unreachable`.
func limitsFor(files uint64) limits {
	if files == 0 {
		return limits{clients: maxClients}
	}
	all := int(min(files, 1<<30))
	clients := min(max(all/8, minClients), maxClients)
	rest := max(all-spareFiles-clients, 0)
	return limits{
		files:   files,
		clients: clients,
		kept:    max(rest/2, 1),
		probes:  max(rest/2/filesPerProbe, 2),
	}
}

// limit applies the limits. It is called before the first load.
func (e *Exporter) limit(l limits) {
	e.limits = l
	e.manager.SetMaxKept(l.kept)
	if l.probes > 0 {
		e.collector.LimitInFlight(l.probes)
	}
}

// warnOfFiles warns if the open-file limit is too low to keep the connection of every
// endpoint, or to probe on time while all of them hang.
func (l limits) warnOfFiles(endpoints []*config.Endpoint, logger *slog.Logger) {
	if l.files == 0 {
		return
	}
	hanging := 0.0 // probes in flight while every endpoint takes its whole timeout
	for _, e := range endpoints {
		hanging += float64(e.Timeout) / float64(e.Interval)
	}
	probes := 2 * int(math.Ceil(hanging)) // because probes that hang get only half of the slots
	if len(endpoints) <= l.kept && probes <= l.probes {
		return
	}
	rest := 2 * max(len(endpoints), filesPerProbe*probes)
	wanted := rest + spareFiles + min(max(rest/7+3, minClients), maxClients)
	logger.Warn("open-file limit too low: probes may be slow or late",
		"limit", l.files, "wanted", wanted, "raise", "LimitNOFILE=, ulimit -n")
}
