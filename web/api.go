package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
	"session_exporter/sessionapi"
	"session_exporter/web/page"
)

// listHeader is the response without its last field, endpoints. The endpoints are encoded and
// sent in chunks, because ten thousand with their history take tens of megabytes.
type listHeader struct {
	Time        time.Time                `json:"time"`
	Total       int                      `json:"total"`
	Selected    int                      `json:"selected"`
	States      map[sessionapi.State]int `json:"states"`
	Credentials []credentialJSON         `json:"credentials"`
}

type credentialJSON struct {
	Name      string     `json:"name"`
	Suspended bool       `json:"suspended"`
	Refusals  int        `json:"refusals"`
	Changed   *time.Time `json:"changed"`
}

// endpointJSON is the status of an endpoint. Unknown values are null.
type endpointJSON struct {
	Name       string            `json:"name"`
	URL        string            `json:"url"`
	API        string            `json:"api"`
	Module     string            `json:"module"`
	Credential string            `json:"credential"`
	Labels     map[string]string `json:"labels"`
	Interval   float64           `json:"interval_seconds"`
	Timeout    float64           `json:"timeout_seconds"`

	State       sessionapi.State `json:"state"`
	Since       *time.Time       `json:"since"`
	Diagnosis   *string          `json:"diagnosis"`
	Advice      *string          `json:"advice"`
	Verdict     *string          `json:"verdict"`
	VerdictAt   *time.Time       `json:"verdict_at"`
	LastProbe   *time.Time       `json:"last_probe"`
	Duration    *float64         `json:"last_probe_duration_seconds"`
	LastSuccess *time.Time       `json:"last_success"`
	Failures    int              `json:"consecutive_failures"`
	NextProbe   *time.Time       `json:"next_probe"`
	LastRequest *time.Time       `json:"last_request"`
	HeldBack    *string          `json:"held_back"`
	ResumeAt    *time.Time       `json:"resume_at"`

	Status             *int                 `json:"http_status"`
	Code               *string              `json:"code"`
	OperationID        *string              `json:"operation_id"`
	Established        *time.Time           `json:"session_established"`
	Lifetime           *float64             `json:"session_lifetime_seconds"`
	Identity           *identityJSON        `json:"identity"`
	RolesExpected      map[string]bool      `json:"roles_expected"`
	ClockSkew          *float64             `json:"clock_skew_seconds"`
	CertificateExpiry  *time.Time           `json:"certificate_expiry"`
	CredentialExpiries map[string]time.Time `json:"credential_expiries"`
	CredentialExpiryOf *string              `json:"credential_expiry_of"`

	NegativeControl *probe.NegativeControl `json:"negative_control"`

	ValidHour *float64 `json:"valid_ratio_1h"`
	ValidDay  *float64 `json:"valid_ratio_24h"`
	Observed  *float64 `json:"observed_seconds"` // the time that valid_ratio_24h covers

	Changes []changeJSON  `json:"changes,omitempty"`
	History []historyJSON `json:"history,omitempty"`
}

type changeJSON struct {
	Time   time.Time        `json:"time"`
	From   sessionapi.State `json:"from"`
	To     sessionapi.State `json:"to"`
	Reason *string          `json:"reason"`
	Probes int              `json:"probes"`
}

type identityJSON struct {
	Username      string   `json:"username"`
	Organization  *string  `json:"organization"`
	Enterprise    *string  `json:"enterprise"`
	Version       *string  `json:"version"`
	Roles         []string `json:"roles"`
	Organizations []string `json:"organizations"`
	// Created and LastAccessed are by the appliance's clock.
	Created      *time.Time `json:"created"`
	LastAccessed *time.Time `json:"last_accessed"`
}

type historyJSON struct {
	Time        time.Time          `json:"time"`
	State       sessionapi.State   `json:"state"`
	Duration    float64            `json:"duration_seconds"`
	Phases      map[string]float64 `json:"phases_seconds"`
	Status      *int               `json:"http_status"`
	Code        *string            `json:"code"`
	OperationID *string            `json:"operation_id"`
}

// listEndpoints responds with the selected endpoints as JSON.
func (s *server) listEndpoints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query, err := parseListQuery(r.URL.Query())
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the client may have disconnected
		return
	}
	all := s.Collector.Overviews()
	selected := query.Apply(all)
	head := listHeader{Time: time.Now().UTC(), Total: len(all), Selected: len(selected), States: page.CountStates(all), Credentials: s.credentials()}
	if query.limit > 0 {
		// The page is bounded before the multiplication, which could overflow.
		offset := min(query.Page-1, len(selected)/query.limit+1) * query.limit
		selected = selected[min(offset, len(selected)):]
		selected = selected[:min(query.limit, len(selected))]
	}
	_ = s.writeList(w, &head, selected, query.details) // the client may have disconnected
}

type listQuery struct {
	*page.Selection
	details
	limit int // endpoints per page; 0: all on one page
}

// details are the maximum numbers of recent results and of changes of state that are listed
// for each endpoint.
type details struct{ history, changes int }

func parseListQuery(values url.Values) (q listQuery, err error) {
	if q.Selection, err = page.ParseSelection(values); err != nil {
		return q, err
	}
	if q.limit, err = parseNumber(values, "limit", math.MaxInt32); err != nil {
		return q, err
	}
	if q.history, err = parseNumber(values, "history", collector.HistoryLength); err != nil {
		return q, err
	}
	if q.changes, err = parseNumber(values, "changes", collector.ChangesLength); err != nil {
		return q, err
	}
	if q.limit == 0 && q.Page > 1 {
		return q, errors.New("page requires limit")
	}
	return q, nil
}

// writeList writes the header, and the endpoints a hundred at a time.
func (s *server) writeList(w io.Writer, head *listHeader, selected []*collector.Overview, with details) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `%s,"endpoints":[`, text[:len(text)-1]); err != nil {
		return err
	}
	separator := "\n"
	for chunk := range slices.Chunk(selected, 100) {
		names := make([]string, len(chunk))
		for i := range chunk {
			names[i] = chunk[i].Endpoint.Name
		}
		for _, status := range s.Collector.Statuses(names...) {
			text, err := json.Marshal(newEndpointJSON(&status, with))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s%s", separator, text); err != nil {
				return err
			}
			separator = ",\n"
		}
	}
	_, err = io.WriteString(w, "]}\n")
	return err
}

func (s *server) credentials() []credentialJSON {
	all := []credentialJSON{}
	for _, c := range s.Collector.Credentials() {
		all = append(all, credentialJSON{c.Name, c.Suspended, c.Refusals, utcOrNull(c.Changed)})
	}
	return all
}

func newEndpointJSON(s *collector.Status, with details) *endpointJSON {
	last, sent := s.Result.Last()
	e := s.Endpoint
	j := &endpointJSON{
		Name: e.Name, URL: e.URL.String(), API: e.API, Module: e.Module, Credential: e.Credential.Name, Labels: e.Labels,
		Interval: e.Interval.Seconds(), Timeout: e.Timeout.Seconds(),
		State: s.State, Since: utcOrNull(s.Since), Diagnosis: orNull(s.Result.Diagnosis), Advice: orNull(s.Result.Advice),
		VerdictAt: utcOrNull(s.VerdictAt), LastProbe: utcOrNull(s.LastProbe), LastSuccess: utcOrNull(s.LastSuccess),
		Failures: s.ConsecutiveFailures, NextProbe: utcOrNull(s.Next),
		LastRequest: utcOrNull(s.LastRequest),
		Status:      orNull(last.Status), Code: orNull(last.Code), OperationID: orNull(last.OpID),
		Established: utcOrNull(s.Result.Established), Lifetime: orNull(s.Lifetime.Seconds()),
		RolesExpected: s.Result.RolesExpected, CertificateExpiry: utcOrNull(s.CertificateExpiry),
		CredentialExpiries: allUTC(s.Result.CredentialExpiries), CredentialExpiryOf: orNull(s.Result.ExpiryOf), NegativeControl: s.Result.NegativeControl,
	}
	reason, until := s.Result.HeldBack()
	j.HeldBack, j.ResumeAt = orNull(string(reason)), utcOrNull(until)
	if s.Verdict != sessionapi.Inconclusive {
		j.Verdict = new(s.Verdict.String())
	}
	if j.Labels == nil {
		j.Labels = map[string]string{}
	}
	if sent {
		j.Duration = new(s.Duration.Seconds())
	}
	if s.Result.ClockSkew != nil {
		j.ClockSkew = new(s.Result.ClockSkew.Seconds())
	}
	if id := s.Result.Identity; id != nil {
		j.Identity = &identityJSON{id.Username, orNull(id.Organization), orNull(id.Enterprise), orNull(id.Version), id.Roles, id.Organizations, utcOrNull(id.Created), utcOrNull(id.LastAccessed)}
	}
	if s.ValidDay.Observed > 0 {
		j.ValidHour, j.ValidDay, j.Observed = new(s.ValidHour.Ratio), new(s.ValidDay.Ratio), new(s.ValidDay.Observed.Seconds())
	}
	for _, c := range s.Changes[max(0, len(s.Changes)-with.changes):] {
		j.Changes = append(j.Changes, changeJSON{c.Time.UTC(), c.From, c.To, orNull(c.Reason), c.Probes})
	}
	for _, past := range s.History[max(0, len(s.History)-with.history):] {
		j.History = append(j.History, newHistoryJSON(past))
	}
	return j
}

func newHistoryJSON(p collector.PastProbe) historyJSON {
	phases := make(map[string]float64)
	for name, took := range p.Phases.All() {
		phases[name] = took.Seconds()
	}
	return historyJSON{
		Time: p.Start.UTC(), State: p.State, Duration: p.Duration.Seconds(), Phases: phases,
		Status: orNull(p.Status), Code: orNull(p.Code), OperationID: orNull(p.OpID),
	}
}

// orNull returns nil, which is null in JSON, for the zero value.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// utcOrNull returns a time in UTC, nil for the zero time.
func utcOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

func allUTC(times map[string]time.Time) map[string]time.Time {
	all := make(map[string]time.Time, len(times))
	for name, t := range times {
		all[name] = t.UTC()
	}
	return all
}

// parseNumber returns a query parameter from 1 to maximum, zero if it is absent.
func parseNumber(query url.Values, name string, maximum int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > maximum {
		return 0, fmt.Errorf("%s must be a number from 1 to %d", name, maximum)
	}
	return number, nil
}
