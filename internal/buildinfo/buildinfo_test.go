package buildinfo

import (
	"runtime/debug"
	"testing"

	"github.com/prometheus/common/version"
)

func TestVersion(t *testing.T) {
	linked := version.Version
	defer func() { version.Version = linked }()
	for _, c := range []struct{ linker, module, want string }{
		{"0.1.0", "v0.2.0", "0.1.0"},
		{"", "v0.2.0", "0.2.0"},
		{"", "v0.1.1-0.20261129082159-c17f652cfd36+dirty", "0.1.1-0.20261129082159-c17f652cfd36+dirty"},
		{"", "(devel)", "devel"},
		{"", "", "devel"},
	} {
		version.Version = c.linker
		got := complete(&debug.BuildInfo{Main: debug.Module{Version: c.module}}, true)
		if got != c.want || version.Version != c.want {
			t.Errorf("the linker's %q and the module's %q give %q and %q, want %q", c.linker, c.module, got, version.Version, c.want)
		}
	}
	version.Version = ""
	if got := complete(nil, false); got != "devel" {
		t.Errorf("without build information: %q", got)
	}
}
