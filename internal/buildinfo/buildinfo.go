// Package buildinfo names the version of a binary that was built without the Makefile,
// which sets that of prometheus/common/version.
package buildinfo

import (
	"cmp"
	"runtime/debug"
	"strings"

	"github.com/prometheus/common/version"
)

// Version is the version of the program, also in prometheus/common/version.
var Version = complete(debug.ReadBuildInfo())

// complete sets the version to that of the main module, unless the linker has set it. Go
// derives it from the commit.
func complete(info *debug.BuildInfo, ok bool) string {
	if ok && info.Main.Version != "(devel)" { // (devel) is not allowed in a User-Agent
		version.Version = cmp.Or(version.Version, strings.TrimPrefix(info.Main.Version, "v"))
	}
	version.Version = cmp.Or(version.Version, "devel")
	return version.Version
}
