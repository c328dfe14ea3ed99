package page

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

// EndpointLink returns the path of an endpoint's page relative to the prefix. Names that
// browsers, or proxies that decode paths, would change go into the query.
func EndpointLink(name string) string {
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		return "endpoints/?name=" + url.QueryEscape(name)
	}
	return "endpoints/" + url.PathEscape(name)
}

// detailPage is the data of endpoint.html.
type detailPage struct {
	Notice        *notice
	Name          string
	State         stateView
	Rejection     *rejection
	Runbook       string // of the state, empty for none
	Diagnosis     string
	Advice        string
	Since         moment
	LastProbe     moment
	Next          moment
	LastSuccess   moment
	Latency       string
	Verdict       string
	VerdictAt     moment
	Failures      int // consecutive
	Columns       [][]group
	ResumeAt      moment
	Credential    string // whose logins can be resumed, empty for none
	HeldBackHere  bool   // the guard holds back a login of this endpoint
	Holds         []hold
	ValidCount    string // how many results are valid
	Chart         *chart
	Shares        []share
	Runs          []run // the newest first
	FailureAt     moment
	FailureIsLast bool
	Failure       *probe.Result
}

// hold is a reason to send no requests, other than the lockout guard.
type hold struct {
	Name, Text string
	Until      moment
}

// holds returns the holds that are in effect.
func holds(r *probe.Result, at func(time.Time) moment) []hold {
	var all []hold
	for _, h := range []hold{
		{"Back-off", "after failed logins; “Probe now” does not wait for it", at(r.BackoffUntil)},
		{"Retry-After", "requested by the appliance; “Probe now” waits for it too", at(r.RetryAfterUntil)},
	} {
		if h.Until.Known() && !h.Until.Past() {
			all = append(all, h)
		}
	}
	return all
}

func (s *Site) endpoint(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	// Unescaped slashes in a name make the path deeper.
	_, below, _ := strings.Cut(r.URL.EscapedPath(), EndpointsPath)
	root := strings.Repeat("../", 1+strings.Count(below, "/"))
	if name == "" {
		name = r.URL.Query().Get("name")
	}
	statuses := s.Collector.Statuses(name)
	if len(statuses) == 0 {
		s.Error(w, http.StatusNotFound, root, "The configuration has no endpoint of this name. It may have been removed or renamed.")
		return
	}
	page := s.newDetailPage(&statuses[0])
	page.Notice = newNotice(r.URL.Query().Get("done"), &statuses[0])
	s.renderEndpoint(w, http.StatusOK, root, page)
}

func (s *Site) renderEndpoint(w http.ResponseWriter, status int, root string, page *detailPage) {
	s.render(w, status, "endpoint", &layout{
		Root: root, PagePath: EndpointLink(page.Name), Title: string(page.State.Name) + ": " + shown(page.Name) + " - session_exporter",
		Refresh: refreshSeconds, Main: page,
	})
}

func (s *Site) newDetailPage(status *collector.Status) *detailPage {
	now := time.Now()
	at := func(t time.Time) moment { return moment{t, now} }
	p := &detailPage{
		Name:        status.Endpoint.Name,
		State:       newStateView(status.State, status.Rejected),
		Rejection:   newRejection(status, now),
		Runbook:     runbook(&status.Overview),
		Diagnosis:   diagnosis(status),
		Advice:      status.Result.Advice,
		Since:       at(status.Since),
		LastProbe:   at(status.LastProbe),
		Next:        at(status.Next),
		LastSuccess: at(status.LastSuccess),
		Latency:     latencyText(status),
		Verdict:     verdictText(status.Verdict),
		VerdictAt:   at(status.VerdictAt),
		Failures:    status.ConsecutiveFailures,
		ResumeAt:    at(status.Result.ResumeAt),
		Holds:       holds(&status.Result, at),
		ValidCount:  validCount(status.History),
		Chart:       newChart(status, now),
		Shares:      newShares(status),
		Runs:        newRuns(status, now),
		Failure:     status.Failure,
	}
	p.Credential = s.resumableCredential(status)
	p.HeldBackHere = status.HeldCredential != ""
	if status.Failure != nil {
		p.FailureAt = at(status.Failure.Start)
		p.FailureIsLast = status.Failure.Start.Equal(status.Result.Start)
	}
	p.Columns = [][]group{
		nonEmpty(group{Title: "Session", Facts: sessionFacts(status, at)}, group{Title: "Identity", Facts: identityFacts(status, at)}, group{Title: "Roles", Roles: roles(status)}),
		nonEmpty(group{Title: "Expiry", Facts: expiryFacts(status, at)}, group{Title: "Totals since start", Facts: counterFacts(status)}, group{Title: "Labels", Facts: labelFacts(status.Endpoint)}),
		nonEmpty(group{Title: "Settings", Facts: settingFacts(status.Endpoint)}),
	}
	return p
}

// resumableCredential returns the credential whose logins can be resumed, empty for none:
// the credential that is held back here, otherwise a suspended one of the endpoint's.
func (s *Site) resumableCredential(status *collector.Status) string {
	if status.HeldCredential != "" {
		return status.HeldCredential
	}
	for _, credential := range s.Collector.Credentials() {
		if credential.Suspended && status.Endpoint.Uses(credential.Name) {
			return credential.Name
		}
	}
	return ""
}
