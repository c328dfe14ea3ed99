package strictyaml

import "testing"

func TestSuggest(t *testing.T) {
	known := map[string]int{"hcx": 0, "dr": 0, "vcenter": 0}
	for name, want := range map[string]string{
		"hxc":     ", did you mean `hcx`?",
		"hc":      ", did you mean `hcx`?",
		"vcentre": ", did you mean `vcenter`?",
		"soap":    ", it must be one of: dr, hcx, vcenter",
	} {
		if got := Suggest(name, known); got != want {
			t.Errorf("%s%s, want %s", name, got, want)
		}
	}
}
