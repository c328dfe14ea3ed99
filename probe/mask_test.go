package probe

import (
	"net/http"
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

// A password that is in a name that the configuration has itself makes that no
// secret; in other names it is hidden.
func TestConfiguredNamesAreNotHidden(t *testing.T) {
	const password = "Administrator"
	e := endpointFor("hcx", config.AuthLogin)
	e.Credential.Secret.Inline = config.NewSecret(password)
	e.Expect = config.Expect{Username: `LAB\Administrator`, Roles: []string{"System Administrator"}, Organizations: []string{"Administrators"}, ForbidRoles: []string{"No Administrator"}}
	body := func(role string) http.Handler {
		return reply{status: 200, body: hcxUser(`{"username": "LAB\\Administrator", "roles": ["System Administrator", "` + role + `"], "organization": ["Administrators"]}`)}
	}
	appliance := &handwritten{
		post: []http.Handler{way{"hcx", config.AuthLogin}.login()},
		get:  []http.Handler{body("Auditor"), body("No Administrator"), body("Some Administrator")},
	}
	p := piped(t, e, appliance)
	for _, want := range []struct {
		state State
		role  string
	}{{Valid, "Auditor"}, {Unexpected, "No Administrator"}, {Valid, "Some <secret>"}} {
		if r := mustProbe(t, p); r.State != want.state || r.Identity.Roles[1] != want.role {
			t.Errorf("%s, roles %q, want %+v: %s", r.State, r.Identity.Roles, want, r.Diagnosis)
		}
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
