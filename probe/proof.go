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

	"golang.org/x/net/http/httpguts"

	"session_exporter/config"
)

// proof is what authenticates a request: the header that carries it, and the
// secrets in it, so that an answer that quotes them back can be masked. A login
// whose body carries the password has no header.
type proof struct {
	header  string // canonical
	value   config.Secret
	secrets []config.Secret
	also    []presented   // more headers of the same kind
	token   config.Secret // that it presents, where it is one
}

func basicProof(username string, password config.Secret) proof {
	pair := basicPair(username, password.Reveal())
	encoded := base64.StdEncoding.EncodeToString([]byte(pair.Reveal()))
	return proof{header: "Authorization", value: config.NewSecret("Basic " + encoded), secrets: []config.Secret{password, pair}}
}

// basicPair is what HTTP Basic encodes.
func basicPair(username, password string) config.Secret {
	return config.NewSecret(username + ":" + password)
}

// bodyProof goes in a JSON body, or in a form. What the body makes of the password
// is a secret of its own, for a body is quoted in turn.
func bodyProof(password config.Secret) proof {
	plain := password.Reveal()
	return proof{secrets: []config.Secret{password, config.NewSecret(inJSON(plain)), config.NewSecret(url.QueryEscape(plain))}}
}

func bearerProof(token config.Secret) proof {
	return proof{header: "Authorization", value: config.NewSecret("Bearer " + token.Reveal()), secrets: []config.Secret{token}, token: token}
}

func tokenProof(header string, token config.Secret) proof {
	return proof{header: header, value: token, secrets: []config.Secret{token}, token: token}
}

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
	secrets = append(secrets, p.credential.lastRead().secret)
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

// headerSafe reports whether a secret can be sent in a header as it is.
func headerSafe(secret config.Secret) bool {
	return httpguts.ValidHeaderFieldValue(secret.Reveal())
}
