package exporter

import (
	"fmt"
	"slices"

	"session_exporter/config"
)

// unmatchedWarning is the warning about a pattern of `metrics_deny` that denies nothing.
const unmatchedWarning = "matches no metric; a histogram has one name, without _bucket, _sum and _count"

// Problems returns the warnings about a valid configuration and its missing secrets, sorted
// by file and line. It adds the warnings about `metrics_deny` to those of package config.
func Problems(settings *config.Config) config.Problems {
	found := append(config.Problems{}, settings.Problems...)
	for i, pattern := range settings.MetricsDeny {
		names, err := deniable()
		if err != nil || slices.ContainsFunc(names, pattern.MatchString) {
			continue
		}
		at := settings.DenyAt[i]
		found = append(found, config.Problem{
			Severity: config.Warning, File: at.File, Line: at.Line,
			Key: fmt.Sprintf("global.metrics_deny[%d]", i), Text: unmatchedWarning,
		})
	}
	found.Sort()
	return found
}

// maxLoggedProblems limits how many problems are logged at once: a fleet may have the
// same mistake a thousand times.
const maxLoggedProblems = 10

// logProblems logs the problems that the last load did not have, so that a reload
// without changes logs nothing.
func (e *Exporter) logProblems(found config.Problems) {
	known := make(map[string]bool, len(found))
	logged := 0
	// Missing secrets, which make endpoints fail, come before likely mistakes.
	for _, problem := range slices.Concat(found.Of(config.MissingSecret), found.Of(config.Warning)) {
		line := problem.Line
		problem.Line = 0 // changes when lines are inserted above
		id := problem.String()
		repeated := e.logged[id] || known[id]
		known[id] = true
		if repeated {
			continue
		}
		logged++
		if logged <= maxLoggedProblems {
			logger := e.logger.With("file", problem.File, "line", line, "key", problem.Key, "reason", problem.Text)
			if problem.Severity == config.MissingSecret {
				logger.Warn("cannot read a secret; its endpoints are credential_missing")
			} else {
				logger.Warn("configuration warning")
			}
		}
	}
	if logged > maxLoggedProblems {
		e.logger.Warn("more configuration warnings; run check-config to see all", "count", logged-maxLoggedProblems)
	}
	e.logged = known
}
