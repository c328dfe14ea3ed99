package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

const endpointsPath = "/endpoints/"

// endpointLink is the way from the prefix to an endpoint's page. Names that would
// not survive as a part of a path, with browsers or with proxies that decode it,
// go into the query.
func endpointLink(name string) string {
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		return "endpoints/?name=" + url.QueryEscape(name)
	}
	return "endpoints/" + url.PathEscape(name)
}

// detailPage is what endpoint.html shows.
type detailPage struct {
	Notice        string
	Name          string
	State         stateView
	Diagnosis     string
	Advice        string
	Since         moment
	LastProbe     moment
	Next          moment
	LastSuccess   moment
	Latency       string
	Verdict       string
	VerdictAt     moment
	Failures      int // in a row
	Columns       [][]group
	ResumeAt      moment
	Credential    string // whose logins to resume, empty for none
	Suspended     bool   // everywhere, and not only here
	Valid         string // how many results are
	Chart         *chart
	Past          []pastView
	FailureAt     moment
	FailureIsLast bool
	Failure       *probe.Result
}

type pastView struct {
	collector.Past
	View stateView
	At   moment
}

func (o *server) endpoint(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	// Somebody may have typed a name's slashes as they are: they make the way
	// back longer.
	_, below, _ := strings.Cut(r.URL.EscapedPath(), endpointsPath)
	root := strings.Repeat("../", 1+strings.Count(below, "/"))
	if name == "" {
		name = r.URL.Query().Get("name")
	}
	found := o.Collector.Statuses(name)
	if len(found) == 0 {
		o.problem(w, http.StatusNotFound, root, "The configuration has no endpoint of this name. It may have been removed or renamed.")
		return
	}
	page := o.newDetailPage(&found[0])
	page.Notice = notices[r.URL.Query().Get("done")]
	title := name + ": " + string(page.State.Name) + " - session_exporter"
	o.render(w, http.StatusOK, "endpoint", &layout{Root: root, Title: title, Refresh: refreshSeconds, Main: page})
}

func (o *server) newDetailPage(s *collector.Status) *detailPage {
	now := time.Now()
	at := func(t time.Time) moment { return moment{t, now} }
	p := &detailPage{
		Name:        s.Endpoint.Name,
		State:       viewOf(s.State),
		Diagnosis:   diagnosis(s),
		Advice:      s.Result.Advice,
		Since:       at(s.Since),
		LastProbe:   at(s.LastProbe),
		Next:        at(s.Next),
		LastSuccess: at(s.LastSuccess),
		Latency:     latencyOf(s),
		Verdict:     verdictInWords(s.Verdict),
		VerdictAt:   at(s.VerdictAt),
		Failures:    s.ConsecutiveFailures,
		ResumeAt:    at(s.Result.ResumeAt),
		Valid:       validOf(s.History),
		Chart:       newChart(s.History, now),
		Failure:     s.Failure,
	}
	p.Credential, p.Suspended = o.resumable(s)
	if s.Failure != nil {
		p.FailureAt = at(s.Failure.Start)
		p.FailureIsLast = s.Failure.Start.Equal(s.Result.Start)
	}
	for _, past := range slices.Backward(s.History) {
		p.Past = append(p.Past, pastView{past, viewOf(past.State), at(past.Start)})
	}
	p.Columns = [][]group{
		filled(group{Title: "Session", Facts: sessionFacts(s, at)}, group{Title: "Identity", Facts: identityFacts(s, at)}, group{Title: "Roles", Roles: roles(s)}),
		filled(group{Title: "Ends", Facts: endFacts(s, at)}, group{Title: "Since it is watched", Facts: countFacts(s)}, group{Title: "Labels", Facts: labelFacts(s.Endpoint)}),
		filled(group{Title: "Settings", Facts: settingFacts(s.Endpoint)}),
	}
	return p
}

// resumable returns the credential whose logins somebody may want to resume, empty
// for none, and whether it is suspended everywhere: the one that was withheld here,
// else one that the endpoint will want.
func (o *server) resumable(s *collector.Status) (name string, everywhere bool) {
	name = s.Withheld
	for _, credential := range o.Collector.Credentials() {
		if credential.Suspended && (credential.Name == name || name == "" && s.Endpoint.Uses(credential.Name)) {
			return credential.Name, true
		}
	}
	return name, false
}
