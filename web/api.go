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
)

// listHead is the answer but for its last field, the endpoints: these are sent as
// they are encoded, since ten thousand with their history are tens of megabytes.
type listHead struct {
	Time        time.Time           `json:"time"`
	Total       int                 `json:"total"`
	Selected    int                 `json:"selected"`
	States      map[probe.State]int `json:"states"`
	Credentials []credentialJSON    `json:"credentials"`
}

type credentialJSON struct {
	Name      string     `json:"name"`
	Suspended bool       `json:"suspended"`
	Refusals  int        `json:"refusals"`
	Changed   *time.Time `json:"changed"`
}

// endpointJSON is what the page shows of one endpoint. What is not known is null.
type endpointJSON struct {
	Name       string            `json:"name"`
	URL        string            `json:"url"`
	API        string            `json:"api"`
	Module     string            `json:"module"`
	Credential string            `json:"credential"`
	Labels     map[string]string `json:"labels"`
	Interval   float64           `json:"interval_seconds"`
	Timeout    float64           `json:"timeout_seconds"`

	State       probe.State `json:"state"`
	Since       *time.Time  `json:"since"`
	Diagnosis   *string     `json:"diagnosis"`
	Advice      *string     `json:"advice"`
	Verdict     *string     `json:"verdict"`
	VerdictAt   *time.Time  `json:"verdict_at"`
	LastProbe   *time.Time  `json:"last_probe"`
	Duration    *float64    `json:"last_probe_duration_seconds"`
	LastSuccess *time.Time  `json:"last_success"`
	Failures    int         `json:"consecutive_failures"`
	NextProbe   *time.Time  `json:"next_probe"`
	ResumeAt    *time.Time  `json:"resume_at"`

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

	History []pastJSON `json:"history,omitempty"`
}

type identityJSON struct {
	Username      string   `json:"username"`
	Organization  *string  `json:"organization"`
	Enterprise    *string  `json:"enterprise"`
	Version       *string  `json:"version"`
	Roles         []string `json:"roles"`
	Organizations []string `json:"organizations"`
	// By the appliance's clock.
	Created      *time.Time `json:"created"`
	LastAccessed *time.Time `json:"last_accessed"`
}

type pastJSON struct {
	Time        time.Time          `json:"time"`
	State       probe.State        `json:"state"`
	Duration    float64            `json:"duration_seconds"`
	Phases      map[string]float64 `json:"phases_seconds"`
	Status      *int               `json:"http_status"`
	Code        *string            `json:"code"`
	OperationID *string            `json:"operation_id"`
}

// list answers with the selected endpoints as JSON.
func (o *server) list(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query, err := parseListQuery(r.URL.Query())
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // a client that went away needs no answer
		return
	}
	all := o.Collector.Overviews()
	selected := query.of(all)
	head := listHead{Time: time.Now().UTC(), Total: len(all), Selected: len(selected), States: countStates(all), Credentials: o.credentials()}
	if query.limit > 0 {
		// Bounded before it is multiplied: a page may be as far as numbers go.
		before := min(query.page-1, len(selected)/query.limit+1) * query.limit
		selected = selected[min(before, len(selected)):]
		selected = selected[:min(query.limit, len(selected))]
	}
	_ = o.writeList(w, &head, selected, query.history) // a client that went away needs no answer
}

// listQuery is what a request wants to know of which endpoints.
type listQuery struct {
	*selection
	limit   int // endpoints of a page; 0 for one page of all
	history int // results of each endpoint
}

func parseListQuery(values url.Values) (q listQuery, err error) {
	if q.selection, err = parseSelection(values); err != nil {
		return q, err
	}
	if q.limit, err = numberOf(values, "limit", math.MaxInt32); err != nil {
		return q, err
	}
	if q.history, err = numberOf(values, "history", collector.HistoryLength); err != nil {
		return q, err
	}
	if q.limit == 0 && q.page > 1 {
		return q, errors.New("page goes with limit")
	}
	return q, nil
}

// writeList writes the head, and the endpoints a hundred at a time.
func (o *server) writeList(w io.Writer, head *listHead, selected []*collector.Overview, history int) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `%s,"endpoints":[`, text[:len(text)-1]); err != nil {
		return err
	}
	separator := "\n"
	for part := range slices.Chunk(selected, pageLength) {
		for _, status := range o.statuses(part) {
			text, err := json.Marshal(newEndpointJSON(&status, history))
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

func (o *server) credentials() []credentialJSON {
	all := []credentialJSON{}
	for _, c := range o.Collector.Credentials() {
		all = append(all, credentialJSON{c.Name, c.Suspended, c.Refusals, utc(c.Changed)})
	}
	return all
}

func newEndpointJSON(s *collector.Status, history int) *endpointJSON {
	last, sent := s.Result.Last()
	e := s.Endpoint
	j := &endpointJSON{
		Name: e.Name, URL: e.URL.String(), API: e.API, Module: e.Module, Credential: e.Credential.Name, Labels: e.Labels,
		Interval: e.Interval.Seconds(), Timeout: e.Timeout.Seconds(),
		State: s.State, Since: utc(s.Since), Diagnosis: known(s.Result.Diagnosis), Advice: known(s.Result.Advice),
		Verdict:   known(verdictInWords(s.Verdict)),
		VerdictAt: utc(s.VerdictAt), LastProbe: utc(s.LastProbe), LastSuccess: utc(s.LastSuccess),
		Failures: s.ConsecutiveFailures, NextProbe: utc(s.Next), ResumeAt: utc(s.Result.ResumeAt),
		Status: known(last.Status), Code: known(last.Code), OperationID: known(last.OpID),
		Established: utc(s.Result.Established), Lifetime: known(s.Lifetime.Seconds()),
		RolesExpected: s.Result.RolesExpected, CertificateExpiry: utc(s.CertificateExpiry),
		CredentialExpiries: utcAll(s.Result.CredentialExpiries),
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
		j.Identity = &identityJSON{id.Username, known(id.Organization), known(id.Enterprise), known(id.Version), id.Roles, id.Organizations, utc(id.Created), utc(id.LastAccessed)}
	}
	for _, past := range s.History[max(0, len(s.History)-history):] {
		j.History = append(j.History, newPastJSON(past))
	}
	return j
}

func newPastJSON(p collector.Past) pastJSON {
	phases := make(map[string]float64)
	for name, took := range p.Phases.All() {
		phases[name] = took.Seconds()
	}
	return pastJSON{
		Time: p.Start.UTC(), State: p.State, Duration: p.Duration.Seconds(), Phases: phases,
		Status: known(p.Status), Code: known(p.Code), OperationID: known(p.OpID),
	}
}

// known is nil, and so null, for what is not known.
func known[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}

// utc is the time for machines, wherever we are; nil when it is not known.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

func utcAll(times map[string]time.Time) map[string]time.Time {
	all := make(map[string]time.Time, len(times))
	for name, t := range times {
		all[name] = t.UTC()
	}
	return all
}

// numberOf returns a number of a query, zero when there is none.
func numberOf(query url.Values, name string, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > most {
		return 0, fmt.Errorf("%s must be a number from 1 to %d", name, most)
	}
	return number, nil
}
