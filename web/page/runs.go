package page

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// run is a series of results in one state, shown as one line.
type run struct {
	ID      string
	View    stateView
	Probes  int
	Began   time.Time
	Lasted  string
	Ended   time.Time // zero for the current run
	Reason  string
	Results []collector.PastProbe // those that are kept, the newest first; none if nothing was sent
	Open    bool                  // the results are shown initially
}

// Kept describes how many results of the run are shown, if not all are.
func (r *run) Kept() string {
	if len(r.Results) == r.Probes {
		return ""
	}
	return fmt.Sprintf("The last %d of %s.", len(r.Results), plural(r.Probes, "result"))
}

// newRuns returns the runs of an endpoint, the newest first.
func newRuns(status *collector.Status, now time.Time) []run {
	runs := make([]run, 0, len(status.Changes))
	views := changeViews(status)
	end := len(status.History) // of the results not in a newer run
	until := now
	for i, c := range slices.Backward(status.Changes) {
		first := max(0, end-c.Probes)
		r := run{
			ID: "run-" + strconv.FormatInt(c.Time.UnixMicro(), 36), View: views[i], Probes: c.Probes, Began: c.Time,
			Lasted: formatDuration(until.Sub(c.Time).Abs()), Reason: c.Reason, Open: i == len(status.Changes)-1,
		}
		if !r.Open {
			r.Ended = until
		}
		if r.Reason == "" && c.To != sessionapi.Valid {
			r.Reason = r.View.Meaning
		}
		if _, _, sent := latencyRange(status.History[first:end]); sent > 0 {
			r.Results = slices.Clone(status.History[first:end])
			slices.Reverse(r.Results)
		}
		runs = append(runs, r)
		end, until = first, c.Time
	}
	return runs
}

// changeViews returns the view of the new state of each change. A login that is held back
// looks like the refusal before it, even if there are timeouts in between. For the last
// change, Status.Rejected decides, because the refused secret may have been replaced since.
func changeViews(status *collector.Status) []stateView {
	var views []stateView
	rejected := false
	for i, c := range status.Changes {
		for _, state := range []sessionapi.State{c.From, c.To} {
			if state.Verdict() != sessionapi.Inconclusive {
				rejected = state == sessionapi.CredentialsRejected
			}
		}
		if i == len(status.Changes)-1 {
			rejected = status.Rejected
		}
		views = append(views, newStateView(c.To, c.To == sessionapi.LoginSuspended && rejected))
	}
	return views
}

// share is the share of time in a window during which the endpoint was valid.
type share struct {
	Window string
	Text   string // empty before the first probe
	Since  string // how long the endpoint has been observed, if that is shorter than the window
}

func newShares(status *collector.Status) []share {
	var all []share
	for _, s := range []struct {
		name   string
		window time.Duration
		valid  collector.ValidShare
	}{{"last hour", time.Hour, status.ValidHour}, {"last 24 hours", 24 * time.Hour, status.ValidDay}} {
		view := share{Window: s.name}
		if s.valid.Observed > 0 {
			view.Text = formatShare(s.valid.Ratio)
		}
		if view.Text != "" && s.valid.Observed < s.window {
			view.Since = formatDuration(s.valid.Observed)
		}
		all = append(all, view)
	}
	return all
}

// formatShare formats a ratio in percent. Only 1 is 100 %, and only 0 is 0 %.
func formatShare(ratio float64) string {
	switch {
	case ratio >= 1:
		return "100 %"
	case ratio <= 0:
		return "0 %"
	default:
		return fmt.Sprintf("%.1f %%", min(max(math.Round(ratio*1000)/10, 0.1), 99.9))
	}
}
