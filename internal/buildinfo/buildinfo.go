// Package buildinfo provides the version of a binary that was built without the Makefile,
// which sets the one in prometheus/common/version.
package buildinfo

import (
	"cmp"
	"runtime/debug"
	"strings"

	"github.com/prometheus/common/version"
)

// Version is the version of the program, also in prometheus/common/version.
var Version = complete(debug.ReadBuildInfo())

// complete sets the version to the main module's, which Go derives from the commit, unless
// the linker has set it.
func complete(info *debug.BuildInfo, ok bool) string {
	if ok && info.Main.Version != "(devel)" { // (devel) is not allowed in a User-Agent
		version.Version = cmp.Or(version.Version, strings.TrimPrefix(info.Main.Version, "v"))
	}
	version.Version = cmp.Or(version.Version, "devel")
	return version.Version
}
