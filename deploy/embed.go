// Package deploy embeds the rules and dashboards that the exporter prints.
package deploy

import "embed"

// Files contains prometheus/rules/*.yml and grafana/dashboards/*.json.
//
//go:embed prometheus/rules/*.yml grafana/dashboards/*.json
var Files embed.FS
