package probe

import (
	"testing"

	"session_exporter/config"
)

func TestMasker(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"none", nil, "all of it", "all of it"},
		{"not there", []string{"s3cret"}, "all of it", "all of it"},
		{"all of it", []string{"s3cret"}, "s3cret", "<secret>"},
		{"more than once", []string{"s3cret"}, "s3crets3cret, s3cret", "<secret><secret>, <secret>"},
		{"too short", []string{"abc"}, "abc", "abc"},
		{"just long enough", []string{"abcd"}, "abc abcd", "abc <secret>"},
		{"the beginning of another", []string{"s3cret", "s3cret-too"}, "s3cret-too, s3cret", "<secret>, <secret>"},
		{"in JSON, and as Go quotes it", []string{"a\"<b\x01"}, `a\"\u003cb\u0001 a\"<b\x01`, "<secret> <secret>"},
		{"in HTML", []string{"<a&b>"}, "&lt;a&amp;b&gt;", "<secret>"},
		{"in a form, and in a path", []string{"a b/c"}, "a+b%2Fc a%20b%2Fc", "<secret> <secret>"},
		{"in Base64, and in that of URLs", []string{"a?>b~~"}, "YT8+Yn5+ YT8-Yn5-", "<secret> <secret>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var secrets []config.Secret
			for _, secret := range c.secrets {
				secrets = append(secrets, config.NewSecret(secret))
			}
			if got := newMasker(secrets, maskable).Replace(c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// In names only what is long is hidden. A mask is kept until the secrets are others.
func TestMaskOf(t *testing.T) {
	p := newProber(t, endpointFor("dr", config.AuthToken))
	masking := func(secret string) (texts, names string, kept bool) {
		p.credential.Secret.Inline = config.NewSecret(secret)
		p.credential.refresh()
		if _, err := p.credential.load(); err != nil {
			t.Fatal(err)
		}
		a := &attempt{x: new(exchange), proof: p.present(config.NewSecret(secret))}
		before := p.mask
		m := p.maskOf(a, config.Secret{})
		return m.texts.Replace("it is " + secret), m.names.Replace("it is " + secret), m.texts == before.texts && m.names == before.names
	}
	for _, c := range []struct {
		secret, texts, names string
		kept                 bool
	}{
		{"monitor", "it is <secret>", "it is monitor", false},
		{"monitor", "it is <secret>", "it is monitor", true},
		{"monitor2", "it is <secret>", "it is <secret>", false},
		{"monitor2", "it is <secret>", "it is <secret>", true},
	} {
		if texts, names, kept := masking(c.secret); texts != c.texts || names != c.names || kept != c.kept {
			t.Errorf("%s: texts say %q, names %q, kept: %t; want %+v", c.secret, texts, names, kept, c)
		}
	}
}
