package docs

import "embed"

// Runbooks contains the runbooks of the alerts in Markdown: runbooks/ALERT.md, and README.md,
// their index.
//
//go:embed runbooks/*.md
var Runbooks embed.FS
