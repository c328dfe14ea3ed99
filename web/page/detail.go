package page

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

// EndpointLink returns the path of an endpoint's page relative to the prefix. If browsers, or
// proxies that decode paths, would change the name in a path, it is in the query instead.
func EndpointLink(name string) string {
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		return "endpoints/?name=" + url.QueryEscape(name)
	}
	return "endpoints/" + url.PathEscape(name)
}

// detailPage is the data of endpoint.html.
type detailPage struct {
	*collector.Status
	Notice     *notice
	State      stateView
	Rejection  *rejection
	Runbook    string // relative path of the runbook for the state, empty for none
	Diagnosis  string
	Latency    string
	Verdict    string
	Columns    [][]group
	Credential string // whose logins can be resumed, empty for none
	Holds      []hold
	ValidCount string // how many of the results are valid, in words
	Chart      *chart
	Shares     []share
	Runs       []run // the newest first
}

// hold is a reason, other than the lockout guard, to send no requests.
type hold struct {
	Name, Text string
	Until      time.Time
}

// holds returns the holds that are in effect.
func holds(r *probe.Result) []hold {
	all := []hold{
		{"Back-off", "after failed logins; “Probe now” ignores it", r.BackoffUntil},
		{"Retry-After", "requested by the appliance; “Probe now” respects it", r.RetryAfterUntil},
	}
	return slices.DeleteFunc(all, func(h hold) bool { return h.Until.Before(time.Now()) })
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
		s.Error(w, http.StatusNotFound, root, "The configuration has no endpoint with this name. It may have been removed or renamed.")
		return
	}
	page := s.newDetailPage(&statuses[0])
	page.Notice = newNotice(r.URL.Query().Get("done"), &statuses[0])
	s.renderEndpoint(w, http.StatusOK, root, page)
}

func (s *Site) renderEndpoint(w http.ResponseWriter, status int, root string, page *detailPage) {
	s.render(w, status, "endpoint", &layout{
		Root: root, PagePath: EndpointLink(page.Endpoint.Name), Title: string(page.State.Name) + ": " + shown(page.Endpoint.Name) + " - session_exporter",
		Refresh: refreshSeconds, Main: page,
	})
}

func (s *Site) newDetailPage(status *collector.Status) *detailPage {
	now := time.Now()
	return &detailPage{
		Status:     status,
		State:      newStateView(status.State, status.Rejected),
		Rejection:  newRejection(status, now),
		Runbook:    runbook(&status.Overview),
		Diagnosis:  diagnosis(status),
		Latency:    latencyText(status),
		Verdict:    verdictText(status.Verdict),
		Credential: s.resumableCredential(status),
		Holds:      holds(&status.Result),
		ValidCount: validCount(status.History),
		Chart:      newChart(status),
		Shares:     newShares(status),
		Runs:       newRuns(status, now),
		Columns: [][]group{
			nonEmpty(group{Title: "Session", Facts: sessionFacts(status)}, group{Title: "Identity", Facts: identityFacts(status)}, group{Title: "Roles", Roles: roles(status)}),
			nonEmpty(group{Title: "Expiry", Facts: expiryFacts(status)}, group{Title: "Totals since start", Facts: counterFacts(status)}, group{Title: "Labels", Facts: labelFacts(status.Endpoint)}),
			nonEmpty(group{Title: "Settings", Facts: settingFacts(status.Endpoint)}),
		},
	}
}

// resumableCredential returns the credential whose logins can be resumed, empty for none:
// the credential that is held back here, otherwise a suspended credential of the endpoint.
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
