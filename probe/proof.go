package probe

import (
	"encoding/base64"
	"net/url"
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

// headerSafe reports whether a secret can be sent in a header as it is.
func headerSafe(secret config.Secret) bool {
	return httpguts.ValidHeaderFieldValue(secret.Reveal())
}

// presented is a header that authenticates a request.
type presented struct {
	header string // canonical
	value  config.Secret
}

// presenter is an API whose sessions are presented otherwise than by
// Spec.SessionHeader alone.
type presenter interface {
	present(session config.Secret) proof
}

// present returns the proof of a session, or of a token in its place.
func (p *Prober) present(token config.Secret) proof {
	if own, ok := p.api.(presenter); ok {
		return own.present(token)
	}
	return tokenProof(p.sessionHeader, token)
}

// separator stands between the parts of a session that has several. No header
// that was sent has one inside.
const separator = "\t"

// parts returns what a session's token is made of, each a secret of its own.
func parts(token config.Secret) []config.Secret {
	texts := strings.Split(token.Reveal(), separator)
	all := make([]config.Secret, len(texts))
	for i, text := range texts {
		all[i] = config.NewSecret(text)
	}
	return all
}
