package web

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"session_exporter/collector"
)

const (
	pageLength     = 100 // endpoints
	refreshSeconds = 5
)

// How long before its end something is shown to end, as the alerts have it with
// some days to spare.
const (
	nearCertificateEnd = 21 * 24 * time.Hour
	nearCredentialEnd  = 14 * 24 * time.Hour
)

// overviewPage is what overview.html shows.
type overviewPage struct {
	Notice    string
	Selection *selectionView
	Counts    []count
	Suspended []suspended
	Columns   []columnView
	Rows      []row
	Total     int    // of all endpoints
	Selected  int    // of those that are selected
	Shown     string // which of these the page has
	Previous  string // links to other pages, empty where there is none
	Next      string
}

// suspended is a credential that the lockout guard withholds everywhere.
type suspended struct {
	Name      string
	Endpoints int
	Reason    string
	Until     moment
}

// row is one endpoint.
type row struct {
	Name, Link string
	Labels     []labelView

	State     stateView
	Diagnosis string
	Since     moment
	LastProbe moment
	Next      moment
	Latency   string
	Strip     strip
	Spark     spark
	Ends      []end
}

// end is when something stops being good.
type end struct {
	What string
	At   moment
}

func (o *server) overview(w http.ResponseWriter, r *http.Request) {
	selection, err := parseSelection(r.URL.Query())
	if err != nil {
		o.problem(w, http.StatusBadRequest, "./", sentence(err.Error()))
		return
	}
	page := o.newOverviewPage(selection)
	page.Notice = notices[r.URL.Query().Get("done")]
	title := "session_exporter"
	if number := page.Counts[1].Number; number > 0 {
		title = fmt.Sprintf("(%d failing) %s", number, title)
	}
	o.render(w, http.StatusOK, "overview", &layout{Root: "./", Title: title, Refresh: refreshSeconds, Main: page})
}

func (o *server) newOverviewPage(s *selection) *overviewPage {
	now := time.Now()
	all := o.Collector.Overviews()
	selected := s.of(all)
	pages := max(1, (len(selected)+pageLength-1)/pageLength)
	s.page = min(s.page, pages) // of fewer, since somebody filtered on the last page
	first := (s.page - 1) * pageLength
	shown := selected[first:min(first+pageLength, len(selected))]

	p := &overviewPage{Total: len(all), Selected: len(selected), Selection: s.view(all), Counts: s.counts(all), Columns: s.columns()}
	for _, status := range o.statuses(shown) {
		p.Rows = append(p.Rows, s.row(&status, now))
	}
	p.Suspended = o.suspended(all, now)
	p.Shown = counted(len(selected), "endpoint")
	if pages > 1 {
		p.Shown = fmt.Sprintf("%d to %d of %s", first+1, first+len(shown), p.Shown)
	}
	if s.page > 1 {
		p.Previous = s.link(func(s *selection) { s.page-- })
	}
	if s.page < pages {
		p.Next = s.link(func(s *selection) { s.page++ })
	}
	return p
}

// statuses returns all that is known of some endpoints.
func (o *server) statuses(some []*collector.Overview) []collector.Status {
	names := make([]string, len(some))
	for i := range some {
		names[i] = some[i].Endpoint.Name
	}
	return o.Collector.Statuses(names...)
}

func (s *selection) row(status *collector.Status, now time.Time) row {
	return row{
		Name:      status.Endpoint.Name,
		Link:      "./" + endpointLink(status.Endpoint.Name),
		Labels:    s.linked(status.Endpoint.Labels),
		State:     viewOf(status.State),
		Diagnosis: diagnosis(status),
		Since:     moment{status.Since, now},
		LastProbe: moment{status.LastProbe, now},
		Next:      moment{status.Next, now},
		Latency:   latencyOf(status),
		Strip:     newStrip(status.History, stripLength),
		Spark:     newSpark(status.History),
		Ends:      nearEnds(status, now),
	}
}

func diagnosis(status *collector.Status) string {
	if status.Result.Diagnosis == "" {
		return viewOf(status.State).Meaning
	}
	return status.Result.Diagnosis
}

// latencyOf is empty where nothing was sent.
func latencyOf(status *collector.Status) string {
	if len(status.Result.Steps) == 0 {
		return ""
	}
	return latency(status.Duration)
}

// nearEnds are the ends that somebody has to prepare for.
func nearEnds(status *collector.Status, now time.Time) []end {
	var near []end
	if at := status.CertificateExpiry; !at.IsZero() && at.Sub(now) < nearCertificateEnd {
		near = append(near, end{"certificate", moment{at, now}})
	}
	for _, source := range slices.Sorted(maps.Keys(status.Result.CredentialExpiries)) {
		at, limit := status.Result.CredentialExpiries[source], nearCredentialEnd
		if source == "oauth2" {
			limit = 0 // the exporter gets the next one by itself
		}
		if at.Sub(now) < limit {
			near = append(near, end{"credential", moment{at, now}})
		}
	}
	return near
}

// suspended are the credentials that are withheld, each with the word of an endpoint
// that it was withheld from for why and until when.
func (o *server) suspended(all []collector.Overview, now time.Time) []suspended {
	var withheld []suspended
	for _, credential := range o.Collector.Credentials() {
		if !credential.Suspended {
			continue
		}
		s := suspended{Name: credential.Name, Until: moment{now: now}}
		var witness string
		for i := range all {
			if !all[i].Endpoint.Uses(credential.Name) {
				continue
			}
			s.Endpoints++
			if all[i].Withheld == credential.Name {
				witness = all[i].Endpoint.Name
			}
		}
		for _, status := range o.Collector.Statuses(witness) {
			if status.Withheld == credential.Name {
				s.Reason, s.Until.at = status.Result.Diagnosis, status.Result.ResumeAt
			}
		}
		withheld = append(withheld, s)
	}
	return withheld
}
