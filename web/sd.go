package web

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/prometheus/common/model"
)

// targetGroup is one of Prometheus' HTTP service discovery
// (https://prometheus.io/docs/prometheus/latest/http_sd/).
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

const meta = model.MetaLabelPrefix + "session_exporter_"

// discover lists the endpoints as Prometheus' targets: the name, for relabelling
// as the multi-target exporter pattern has it, and the endpoint's labels.
func (o *server) discover(w http.ResponseWriter, _ *http.Request) {
	endpoints := o.Collector.Config().Endpoints
	groups := make([]targetGroup, 0, len(endpoints))
	for _, endpoint := range endpoints {
		labels := map[string]string{
			model.ParamLabelPrefix + "endpoint": endpoint.Name,
			meta + "api":                        endpoint.API,
			meta + "module":                     endpoint.Module,
			meta + "url":                        endpoint.URL.String(),
			meta + "interval":                   model.Duration(endpoint.Interval).String(),
			meta + "timeout":                    model.Duration(endpoint.Timeout).String(),
		}
		maps.Copy(labels, endpoint.Labels)
		groups = append(groups, targetGroup{Targets: []string{endpoint.Name}, Labels: labels})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(groups) // a client that went away needs no answer
}
