package config_test

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

	"session_exporter/config"
)

const hidden = "hunter2-Ünïcode"

type holder struct {
	Public  config.Secret
	private config.Secret
	pointer *config.Secret
	list    []config.Secret
	byName  map[string]config.Secret
	any     any
	inner   struct{ secret config.Secret }
	source  config.SecretSource
}

func newHolder() holder {
	secret := config.NewSecret(hidden)
	h := holder{
		Public: secret, private: secret, pointer: &secret,
		list: []config.Secret{secret}, byName: map[string]config.Secret{"a": secret}, any: secret,
		source: config.SecretSource{Inline: secret},
	}
	h.inner.secret = secret
	return h
}

// holders are a secret in everything that values are printed in.
func holders() map[string]any {
	secret, h := config.NewSecret(hidden), newHolder()
	return map[string]any{
		"value":              secret,
		"pointer":            &secret,
		"struct":             h,
		"pointer to struct":  &h,
		"slice":              []config.Secret{secret},
		"slice of pointers":  []*config.Secret{&secret},
		"slice of structs":   []holder{h},
		"map":                map[string]config.Secret{"a": secret},
		"map key":            map[config.Secret]int{secret: 1},
		"any":                []any{secret, h},
		"source":             config.SecretSource{Inline: secret},
		"pointer to source":  &config.SecretSource{Inline: secret},
		"credential":         config.Credential{Secret: config.SecretSource{Inline: secret}},
		"pointer to account": &config.Credential{Secret: config.SecretSource{Inline: secret}},
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
	for name, value := range holders() {
		for verb := range strings.SplitSeq("v +v #v s q x X +q #q # x # X d o O b c U e f g t T p w 10s .3s -5v #x", " ") {
			mustHide(t, name+" with %"+verb, fmt.Sprintf("%"+verb, value))
		}
		mustHide(t, name+" with Sprint", fmt.Sprint(value))
		mustHide(t, name+" in an error", fmt.Errorf("wrapping: %w", fmt.Errorf("%v", value)).Error())
		mustHide(t, name+" with too many arguments", fmt.Sprintf(strings.ToLower("X"), value))
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q", config.NewSecret("a"), config.NewSecret("a"), config.NewSecret("a"), config.NewSecret("a"), config.Secret{}); got != strings.TrimSuffix(strings.Repeat("<secret> ", 5), " ") {
		t.Errorf("a secret prints as %s", got)
	}
}

func TestSecretMarshal(t *testing.T) {
	for name, value := range holders() {
		if text, err := json.Marshal(value); err == nil {
			mustHide(t, name+" as JSON", string(text))
		}
		func() {
			defer func() { _ = recover() }() // there are values that YAML cannot write
			if text, err := yaml.Marshal(value); err == nil {
				mustHide(t, name+" as YAML", string(text))
			}
		}()
		if text, err := xml.Marshal(value); err == nil {
			mustHide(t, name+" as XML", string(text))
		}
	}
	secret := config.NewSecret(hidden)
	asJSON, err := json.Marshal(map[string]any{"a": secret})
	if want := `{"a":"\u003csecret\u003e"}`; err != nil || string(asJSON) != want {
		t.Errorf("as JSON a secret is %s (%v), want %s", asJSON, err, want)
	}
	asYAML, err := yaml.Marshal(map[string]any{"a": secret})
	if want := "a: <secret>\n"; err != nil || string(asYAML) != want {
		t.Errorf("as YAML a secret is %s (%v), want %s", asYAML, err, want)
	}
}

func TestSecretLog(t *testing.T) {
	for name, value := range holders() {
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
	for name, value := range holders() {
		func() {
			defer func() { mustHide(t, name+" in a panic", fmt.Sprint(recover(), string(debug.Stack()))) }()
			panic(value)
		}()
	}
}

func TestSecretValue(t *testing.T) {
	a, b, zero := config.NewSecret("a"), config.NewSecret("b"), config.Secret{}
	switch {
	case a.Reveal() != "a" || zero.Reveal() != "":
		t.Error("Reveal gives another text")
	case !a.Equal(config.NewSecret("a")) || a.Equal(b) || a.Equal(zero) || !zero.Equal(config.NewSecret("")):
		t.Error("Equal does not compare the texts")
	case a.IsZero() || !zero.IsZero() || !config.NewSecret("").IsZero():
		t.Error("IsZero is not about the text")
	}
	var list config.Secret
	if err := yaml.Unmarshal([]byte("["+hidden+"]"), &list); err == nil {
		t.Error("a list is taken for a secret")
	} else {
		mustHide(t, "the error", err.Error())
	}
}
