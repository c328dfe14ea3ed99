package report

import (
	"encoding/json"
	"io"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// endpointJSON is the result of one endpoint. Durations are in seconds.
type endpointJSON struct {
	Endpoint  string            `json:"endpoint"`
	API       string            `json:"api"`
	URL       string            `json:"url"`
	Module    string            `json:"module"`
	Labels    map[string]string `json:"labels,omitempty"`
	State     sessionapi.State  `json:"state"`
	Diagnosis string            `json:"diagnosis"`
	Advice    string            `json:"advice,omitempty"`
	Start     time.Time         `json:"start"`
	Duration  float64           `json:"duration_seconds"`
	Username  string            `json:"username,omitempty"`
	Roles     []string          `json:"roles,omitempty"`
	Steps     []stepJSON        `json:"steps"`
}

type stepJSON struct {
	Step     sessionapi.Step `json:"step"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Status   int             `json:"status"`
	Code     string          `json:"code,omitempty"`
	OpID     string          `json:"operation_id,omitempty"`
	Duration float64         `json:"duration_seconds"`
}

// JSON writes results as an array with one object for each endpoint.
func JSON(out io.Writer, results []collector.EndpointResult) error {
	endpoints := make([]endpointJSON, len(results))
	for i, r := range results {
		endpoints[i] = newEndpointJSON(r)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(endpoints)
}

func newEndpointJSON(r collector.EndpointResult) endpointJSON {
	e := endpointJSON{
		Endpoint:  r.Endpoint.Name,
		API:       r.Endpoint.API,
		URL:       r.Endpoint.URL.String(),
		Module:    r.Endpoint.Module,
		Labels:    r.Endpoint.Labels,
		State:     r.Result.State,
		Diagnosis: r.Result.Diagnosis,
		Advice:    r.Result.Advice,
		Start:     r.Result.Start,
		Duration:  r.Result.Duration.Seconds(),
		Steps:     make([]stepJSON, len(r.Result.Steps)),
	}
	if id := r.Result.Identity; id != nil {
		e.Username, e.Roles = id.Username, id.Roles
	}
	for i, step := range r.Result.Steps {
		e.Steps[i] = stepJSON{step.Step, step.Method, step.URL, step.Status, step.Code, step.OpID, step.Duration.Seconds()}
	}
	return e
}
