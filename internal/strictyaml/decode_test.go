package strictyaml_test

import (
	"encoding/json"
	"testing"

	"session_exporter/internal/strictyaml"
)

type menu struct {
	Title  string          `yaml:"title"`
	Dishes map[string]dish `yaml:"dishes"`
	Days   []int           `yaml:"days"`
	Extra  strictyaml.Tree `yaml:"extra"`
}

type dish struct {
	Price *int `yaml:"price"`
	Vegan bool `yaml:"vegan"`
}

// All problems are found in one pass. Errors never quote a value, and a key only if it
// looks like a word or, in a named block, like a name.
func TestAllProblemsAtOnce(t *testing.T) {
	const text = `
title: [S3cr3t]
dishes:
  soup1: {price: S3cr3t, vegn: true}
  S3cr3t: {price: 2.7}
  rice: {S3cr3tKey: x, price: 1, price: 2}
days: [1, S3cr3t]
extra: {a: 1, a: 2}
`
	found := strictyaml.NewCollector("f.yml", "dishes")
	if !new(strictyaml.Decoder).Decode("f.yml", []byte(text), new(menu), found) {
		t.Fatal("not decoded")
	}
	const want = `f.yml:2: title: must be text
f.yml:4: dishes.soup1.price: must be a whole number
f.yml:4: dishes.soup1.vegn: unknown key, did you mean ` + "`vegan`" + `?
f.yml:5: dishes.*.price: must be a whole number
f.yml:6: dishes.rice: invalid key (is a space missing after a colon?), it must be one of: price, vegan
f.yml:6: dishes.rice.price: duplicate key (first used on line 6)
f.yml:7: days[1]: must be a whole number
f.yml:8: extra: must be at most 1000 values, at most 20 levels deep, with unique text as keys`
	if got := found.Problems().Err(); got == nil || got.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
}

// A tree as JSON: names, numbers and dates are as they are written.
func TestTreeValue(t *testing.T) {
	var m menu
	found := strictyaml.NewCollector("f.yml")
	const text = `extra: {day: 2027-01-31, 7: [1, 2.5, true, ~, "x"], &deep deeper: {a: {b: text}}}`
	if !new(strictyaml.Decoder).Decode("f.yml", []byte(text), &m, found) {
		t.Fatal(found.Problems())
	}
	value, err := m.Extra.Value()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(value)
	if want := `{"7":[1,2.5,true,null,"x"],"day":"2027-01-31","deeper":{"a":{"b":"text"}}}`; err != nil || string(got) != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
	if masked, _ := strictyaml.TextTree("<secret>").Value(); masked != "<secret>" {
		t.Errorf("%v", masked)
	}
}

// A key without a value counts as not set, and a zero value as set.
func TestIsSet(t *testing.T) {
	found := strictyaml.NewCollector("f.yml")
	var m menu
	if !new(strictyaml.Decoder).Decode("f.yml", []byte("title: ''\ndays:\ndishes: {a: {price: 0}}"), &m, found) {
		t.Fatal(found.Problems())
	}
	for key, want := range map[strictyaml.Key]bool{"title": true, "days": false, "extra": false, "dishes.a.price": true, "dishes.a.vegan": false} {
		if got := found.IsSet(key); got != want {
			t.Errorf("%s is set: %t, want %t", key, got, want)
		}
	}
	if price := m.Dishes["a"].Price; price == nil || *price != 0 {
		t.Errorf("price %v, want 0", price)
	}
}
