package page

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

const (
	pageLength     = 100 // endpoints
	refreshSeconds = 5
)

// The overview shows the expiry of a certificate or credential this long in advance, which is
// a week before the first alert fires.
const (
	certificateWarning = 21 * 24 * time.Hour
	credentialWarning  = 14 * 24 * time.Hour
)

// overviewPage is the data of overview.html.
type overviewPage struct {
	Notice    *notice
	Selection *Selection
	Filters   []filterView
	Choices   []choice // labels to filter by
	Counts    []count
	Suspended []suspended
	Held      string // how many more credentials are suspended, empty for none
	HeldLink  string // to their endpoints
	Columns   []columnView
	Rows      []row
	File      string // the configuration's file, if there are no endpoints
	Example   string // what to add to a file without endpoints
	Shard     string // the shard, if it has no endpoints; otherwise empty
	Total     int    // number of endpoints
	Selected  int    // number of selected endpoints
	Shown     string // range of rows on this page, and number of selected endpoints
	Previous  string // links to the adjacent pages, empty for none
	Next      string
}

const exampleConfig = `credentials:
  hcx-monitor:
    username: monitor@vsphere.local
    password_file: /run/secrets/hcx
modules:
  hcx:
    api: hcx  # or dr, vcenter
    credential: hcx-monitor
endpoints:
  - {name: hcx-site-a, url: "https://hcx-a.example.com:9443", module: hcx}
`

// row is an endpoint of the overview, or a group of similar ones.
type row struct {
	Group *groupView // nil for an endpoint

	Name, Link string
	Labels     []labelView

	State     stateView
	Runbook   string // relative path of the runbook for the state, empty for none
	Rejection *rejection
	Diagnosis string // empty for a valid endpoint among others
	Since     time.Time
	LastProbe time.Time
	Next      time.Time
	Latency   string
	Strip     strip
	Spark     spark
	Expiries  []expiry
}

type expiry struct {
	What string
	At   time.Time
}

func (s *Site) overview(w http.ResponseWriter, r *http.Request) {
	selection, err := ParseSelection(r.URL.Query())
	if err != nil {
		s.Error(w, http.StatusBadRequest, "./", Sentence(err.Error()))
		return
	}
	page := s.newOverviewPage(selection)
	page.Notice = newNotice(r.URL.Query().Get("done"), nil)
	title := "session_exporter"
	if number := page.Counts[1].Number; number > 0 {
		title = fmt.Sprintf("(%d failing) %s", number, title)
	}
	s.render(w, http.StatusOK, "overview", &layout{Root: "./", Title: title, Refresh: refreshSeconds, Main: page})
}

func (s *Site) newOverviewPage(sel *Selection) *overviewPage {
	now := time.Now()
	all := s.Collector.Overviews()
	selected := sel.Apply(all)
	lines := sel.group(selected)
	pages := max(1, (len(lines)+pageLength-1)/pageLength)
	sel.Page = min(sel.Page, pages) // a filter may leave fewer pages
	first := (sel.Page - 1) * pageLength
	shown := lines[first:min(first+pageLength, len(lines))]

	p := &overviewPage{Total: len(all), Selected: len(selected), Selection: sel, Filters: sel.filters(), Choices: labelChoices(all), Counts: sel.counts(all), Columns: sel.columns()}
	p.Rows = s.rows(sel, shown, len(all), now)
	var more int
	if p.Suspended, more = s.suspended(sel, all, now); more > 0 {
		p.Held = plural(more, "more credential")
		p.HeldLink = sel.link(func(s *Selection) { *s = Selection{States: []string{string(sessionapi.LoginSuspended)}} })
	}
	p.Shown = plural(len(selected), "endpoint")
	if len(lines) < len(selected) {
		p.Shown += " in " + plural(len(lines), "row")
	}
	if pages > 1 {
		p.Shown = fmt.Sprintf("%d to %d of %s", first+1, first+len(shown), p.Shown)
	}
	if sel.Page > 1 {
		p.Previous = sel.link(func(s *Selection) { s.Page = sel.Page - 1 })
	}
	if sel.Page < pages {
		p.Next = sel.link(func(s *Selection) { s.Page = sel.Page + 1 })
	}
	if len(all) == 0 {
		settings := s.Collector.Config()
		p.File, p.Example = settings.Name, exampleConfig
		if settings.Shard.Count > 1 {
			p.Shard = fmt.Sprintf("%d/%d", settings.Shard.Index, settings.Shard.Count)
		}
	}
	return p
}

// rows returns the rows of some lines. total is the number of all endpoints.
func (s *Site) rows(sel *Selection, lines []line, total int, now time.Time) []row {
	var names []string
	for i := range lines {
		if !lines[i].isGroup() {
			names = append(names, lines[i].first.Endpoint.Name)
		}
	}
	statuses := s.Collector.Statuses(names...)
	shared := sharedScale(statuses)
	var rows []row
	for i := range lines {
		if lines[i].isGroup() {
			rows = append(rows, groupRow(sel, &lines[i]))
			continue
		}
		// A reload may have removed the endpoint meanwhile.
		if name := lines[i].first.Endpoint.Name; len(statuses) > 0 && statuses[0].Endpoint.Name == name {
			r := newRow(sel, &statuses[0], now)
			r.Spark = newSpark(statuses[0].History, shared)
			if statuses[0].State == sessionapi.Valid && total > 1 {
				r.Diagnosis = ""
			}
			rows, statuses = append(rows, r), statuses[1:]
		}
	}
	return rows
}

func newRow(sel *Selection, status *collector.Status, now time.Time) row {
	return row{
		Name:      status.Endpoint.Name,
		Link:      "./" + EndpointLink(status.Endpoint.Name),
		Labels:    sel.labelLinks(status.Endpoint.Labels),
		State:     newStateView(status.State, status.Rejected),
		Runbook:   runbook(&status.Overview),
		Rejection: newRejection(status, now),
		Diagnosis: diagnosis(status),
		Since:     status.Since,
		LastProbe: status.LastProbe,
		Next:      status.Next,
		Latency:   latencyText(status),
		Strip:     newStrip(status, stripLength),
		Expiries:  nearExpiries(status, now),
	}
}

func diagnosis(status *collector.Status) string {
	if status.Result.Diagnosis == "" {
		return status.State.Info().Meaning
	}
	return status.Result.Diagnosis
}

// latencyText formats the duration of the last probe, empty if it sent nothing.
func latencyText(status *collector.Status) string {
	if len(status.Result.Steps) == 0 {
		return ""
	}
	return FormatLatency(status.Duration)
}

// nearExpiries returns the expiries that have passed or are near.
func nearExpiries(status *collector.Status, now time.Time) []expiry {
	var near []expiry
	if at := status.CertificateExpiry; !at.IsZero() && at.Sub(now) < certificateWarning {
		near = append(near, expiry{"certificate", at})
	}
	for _, source := range slices.Sorted(maps.Keys(status.Result.CredentialExpiries)) {
		at, limit := status.Result.CredentialExpiries[source], credentialWarning
		if source == "oauth2" {
			limit = 0 // the exporter renews these tokens itself
		}
		if at.Sub(now) < limit {
			near = append(near, expiry{"credential", at})
		}
	}
	return near
}
