package probe

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"session_exporter/config"
)

// The lengths from which a secret is masked in what an appliance says. A shorter
// one is part of too many words. Names are more than shown, they are compared
// with what is expected.
const (
	maskable       = 4
	maskableInName = 8
)

const masked = "<secret>"

// mask hides secrets in what came back.
type mask struct {
	secrets      []config.Secret
	texts, names *masker
}

// masker hides what it was made for in a text.
type masker struct {
	forms    []string // what is hidden, the longest first: one may be the beginning of another
	shortest int      // of the forms; a shorter text, as nearly all are, has none of them
}

// Replace returns text without what it hides. What finds many things in one pass
// is only made where there is one to be found: kept for each endpoint it would
// take more memory than all its results.
func (m *masker) Replace(text string) string {
	if len(text) < m.shortest || !slices.ContainsFunc(m.forms, func(form string) bool { return strings.Contains(text, form) }) {
		return text
	}
	replacements := make([]string, 0, 2*len(m.forms))
	for _, form := range m.forms {
		replacements = append(replacements, form, masked)
	}
	return strings.NewReplacer(replacements...).Replace(text)
}

// maskOf returns the mask of the secrets in an exchange that gave a token, or none.
// It is kept: from probe to probe they are the same.
func (p *Prober) maskOf(a *attempt, token config.Secret) *mask {
	var few [8]config.Secret
	secrets := append(append(few[:0], a.proof.secrets...), a.x.secrets...)
	if !token.IsZero() {
		secrets = append(append(secrets, token), parts(token)...)
	}
	last := p.credential.lastRead()
	secrets = append(secrets, last.secret)
	if !last.pair.IsZero() {
		secrets = append(secrets, last.pair)
	}
	if p.mask.texts == nil || !slices.EqualFunc(p.mask.secrets, secrets, config.Secret.Equal) {
		texts := newMasker(secrets, maskable)
		names := texts
		if texts.shortest < maskableInName {
			names = newMasker(secrets, maskableInName)
		}
		p.mask = mask{slices.Clone(secrets), texts, names}
	}
	return &p.mask
}

// newMasker returns what hides secrets of so many characters or more in a text that
// came back, however it writes them.
func newMasker(secrets []config.Secret, least int) *masker {
	var all []string
	for _, secret := range secrets {
		if text := secret.Reveal(); len(text) >= least {
			all = append(all, forms(text)...)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	m := &masker{forms: slices.Clone(slices.Compact(all)), shortest: math.MaxInt}
	if n := len(m.forms); n > 0 {
		m.shortest = len(m.forms[n-1])
	}
	return m
}

// forms are how a secret looks as it is, in JSON, quoted by Go's errors, in HTML,
// in a URL or a form, and in Base64.
func forms(secret string) []string {
	quoted := strconv.Quote(secret)
	return []string{
		secret,
		inJSON(secret),
		quoted[1 : len(quoted)-1],
		html.EscapeString(secret),
		url.QueryEscape(secret),
		url.PathEscape(secret),
		base64.RawStdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
}

func inJSON(text string) string {
	quoted, _ := json.Marshal(text) // a string can always be encoded
	return string(quoted[1 : len(quoted)-1])
}

// hide hides secrets in the texts in which an appliance may quote them. A name that
// is configured is none, even where the password is the same, or part of it.
func (p *Prober) hide(r *Reading, m *mask) {
	for _, text := range []*string{&r.Why, &r.Code, &r.Message, &r.OperationID} {
		*text = m.texts.Replace(*text)
	}
	id := r.Identity
	if id == nil {
		return
	}
	for _, name := range []*string{&id.Username, &id.Organization, &id.Enterprise, &id.Version} {
		p.hideName(name, m)
	}
	for _, names := range [][]string{id.Roles, id.Organizations} {
		for i := range names {
			p.hideName(&names[i], m)
		}
	}
}

func (p *Prober) hideName(name *string, m *mask) {
	if hidden := m.names.Replace(*name); hidden != *name && !p.configured(*name) {
		*name = hidden
	}
}

// configured reports whether a name is one that the configuration gives.
func (p *Prober) configured(name string) bool {
	expect := &p.endpoint.Expect
	return name == p.credential.Username || name == expect.Username || slices.Contains(expect.Roles, name) ||
		slices.Contains(expect.ForbidRoles, name) || slices.Contains(expect.Organizations, name)
}
