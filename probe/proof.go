package probe

import (
	"encoding/base64"
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
}

func basicProof(username string, password config.Secret) proof {
	encoded := base64.StdEncoding.EncodeToString([]byte(username + ":" + password.Reveal()))
	return proof{
		"Authorization", config.NewSecret("Basic " + encoded),
		[]config.Secret{password, config.NewSecret(encoded)},
	}
}

func bearerProof(token config.Secret) proof {
	return proof{"Authorization", config.NewSecret("Bearer " + token.Reveal()), []config.Secret{token}}
}

func tokenProof(header string, token config.Secret) proof {
	return proof{header, token, []config.Secret{token}}
}

// maskable is the length from which a secret is masked in what an appliance
// says. A shorter one is part of too many words.
const maskable = 4

// mask hides the secrets of a request in a text that came back.
func (p proof) mask(text string) string {
	for _, secret := range p.secrets {
		if len(secret.Reveal()) >= maskable {
			text = strings.ReplaceAll(text, secret.Reveal(), "<secret>")
		}
	}
	return text
}

// headerSafe reports whether a secret can be sent in a header as it is.
func headerSafe(secret config.Secret) bool {
	return httpguts.ValidHeaderFieldValue(secret.Reveal())
}
