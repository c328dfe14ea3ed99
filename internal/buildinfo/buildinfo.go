// Package buildinfo provides the program's version. The Makefile links it into
// prometheus/common/version; a binary that was built otherwise has the version of its main
// module.
package buildinfo

import (
	"cmp"
	"runtime/debug"
	"strings"

	"github.com/prometheus/common/version"
)

// Version is the program's version, such as 0.1.0, or devel if unknown. It is also set in
// prometheus/common/version.
var Version = complete(debug.ReadBuildInfo())

// complete returns the version that the linker has set, or else sets it to the main
// module's, which Go derives from the commit.
func complete(info *debug.BuildInfo, ok bool) string {
	if ok && info.Main.Version != "(devel)" { // (devel) is not allowed in a User-Agent
		version.Version = cmp.Or(version.Version, strings.TrimPrefix(info.Main.Version, "v"))
	}
	version.Version = cmp.Or(version.Version, "devel")
	return version.Version
}
