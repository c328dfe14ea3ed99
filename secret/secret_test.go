package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"session_exporter/secret"
)

const hidden = "hunter2-Ünïcode"

type wrapper struct {
	Public  secret.Secret
	private secret.Secret
	pointer *secret.Secret
	list    []secret.Secret
	byName  map[string]secret.Secret
	any     any
	inner   struct{ secret secret.Secret }
	source  secret.Source
}

func newWrapper() wrapper {
	s := secret.New(hidden)
	h := wrapper{
		Public: s, private: s, pointer: &s,
		list: []secret.Secret{s}, byName: map[string]secret.Secret{"a": s}, any: s,
		source: secret.Source{Inline: s},
	}
	h.inner.secret = s
	return h
}

// wrappers returns a secret inside everything that may be printed.
func wrappers() map[string]any {
	s, h := secret.New(hidden), newWrapper()
	return map[string]any{
		"value":             s,
		"pointer":           &s,
		"struct":            h,
		"pointer to struct": &h,
		"slice":             []secret.Secret{s},
		"slice of pointers": []*secret.Secret{&s},
		"slice of structs":  []wrapper{h},
		"map":               map[string]secret.Secret{"a": s},
		"map key":           map[secret.Secret]int{s: 1},
		"any":               []any{s, h},
		"source":            secret.Source{Inline: s},
		"pointer to source": &secret.Source{Inline: s},
	}
}

func mustHide(t *testing.T, how, text string) {
	t.Helper()
	for _, leak := range []string{hidden, "hunter2", fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("% x", hidden), fmt.Sprintf("%d", []byte(hidden))} {
		if strings.Contains(text, leak) {
			t.Errorf("%s shows the secret: %s", how, text)
			return
		}
	}
}

func TestSecretFormat(t *testing.T) {
	for name, value := range wrappers() {
		for verb := range strings.SplitSeq("v +v #v s q x X +q #q # x # X d o O b c U e f g t T p w 10s .3s -5v #x", " ") {
			mustHide(t, name+" with %"+verb, fmt.Sprintf("%"+verb, value))
		}
		mustHide(t, name+" with Sprint", fmt.Sprint(value))
		mustHide(t, name+" in an error", fmt.Errorf("wrapping: %w", fmt.Errorf("%v", value)).Error())
		mustHide(t, name+" with too many arguments", fmt.Sprintf(strings.ToLower("X"), value))
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q", secret.New("a"), secret.New("a"), secret.New("a"), secret.New("a"), secret.Secret{}); got != strings.TrimSuffix(strings.Repeat("<secret> ", 5), " ") {
		t.Errorf("a secret prints as %s", got)
	}
}

func TestSecretMarshal(t *testing.T) {
	for name, value := range wrappers() {
		if text, err := json.Marshal(value); err == nil {
			mustHide(t, name+" as JSON", string(text))
		}
		func() {
			defer func() { _ = recover() }() // YAML cannot encode all values
			if text, err := yaml.Marshal(value); err == nil {
				mustHide(t, name+" as YAML", string(text))
			}
		}()
		if text, err := xml.Marshal(value); err == nil {
			mustHide(t, name+" as XML", string(text))
		}
	}
	s := secret.New(hidden)
	asJSON, err := json.Marshal(map[string]any{"a": s})
	if want := `{"a":"\u003csecret\u003e"}`; err != nil || string(asJSON) != want {
		t.Errorf("as JSON a secret is %s (%v), want %s", asJSON, err, want)
	}
	asYAML, err := yaml.Marshal(map[string]any{"a": s})
	if want := "a: <secret>\n"; err != nil || string(asYAML) != want {
		t.Errorf("as YAML a secret is %s (%v), want %s", asYAML, err, want)
	}
}

func TestSecretLog(t *testing.T) {
	for name, value := range wrappers() {
		var b bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(handler).With("with", value).Info("m", "key", value, slog.Group("group", "key", value))
		}
		mustHide(t, name+" in a log", b.String())
		if !strings.Contains(b.String(), "msg=m") || !strings.Contains(b.String(), `"msg":"m"`) {
			t.Errorf("%s is not logged: %s", name, b.String())
		}
	}
}

func TestSecretPanic(t *testing.T) {
	for name, value := range wrappers() {
		func() {
			defer func() { mustHide(t, name+" in a panic", fmt.Sprint(recover(), string(debug.Stack()))) }()
			panic(value)
		}()
	}
}

func TestSecretValue(t *testing.T) {
	a, b, zero := secret.New("a"), secret.New("b"), secret.Secret{}
	switch {
	case a.Reveal() != "a" || zero.Reveal() != "":
		t.Error("Reveal returns another text")
	case !a.Equal(secret.New("a")) || a.Equal(b) || a.Equal(zero) || !zero.Equal(secret.New("")):
		t.Error("Equal does not compare the texts")
	case a.IsZero() || !zero.IsZero() || !secret.New("").IsZero():
		t.Error("IsZero does not report whether the text is empty")
	}
	var list secret.Secret
	if err := yaml.Unmarshal([]byte("["+hidden+"]"), &list); err == nil {
		t.Error("a list is accepted as a secret")
	} else {
		mustHide(t, "the error", err.Error())
	}
}
