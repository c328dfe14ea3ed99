package config_test

import (
	"testing"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

const pairingFile = `
credentials: {here: {username: u, password: p}, there: {username: v, password: p}, other: {username: w, password: p}}
modules: {dr: {api: dr, credential: here, expect: {username: v}}}
endpoints:
  - {name: a, url: "https://a.example.com/api/rest/srm/v2", module: dr, pairing: p-1, remote_credential: there}
  - {name: b, url: "https://a.example.com/api/rest/srm/v2", module: dr, pairing: p-1, remote_credential: there, interval: 5m}
  - {name: c, url: "https://a.example.com/api/rest/srm/v2", module: dr, pairing: p-2, remote_credential: there}
  - {name: d, url: "https://a.example.com/api/rest/srm/v2", module: dr, pairing: p-1, remote_credential: other}
  - {name: f, url: "https://a.example.com/api/rest/srm/v2", module: dr, pairing: p-1, remote_credential: there, credential: other}
  - {name: e, url: "https://a.example.com/api/rest/srm/v2", module: dr, credential: there}
`

func TestPairing(t *testing.T) {
	settings, err := config.Parse([]byte(pairingFile), "x.yml")
	if err != nil {
		t.Fatal(err)
	}
	e := settings.Endpoints[0]
	local := e.Pairing.LocalEndpoint(e)
	if e.Pairing.ID != "p-1" || e.Credential.Name != "there" || e.Pairing.Local.Name != "here" || e.Auth != sessionapi.AuthLogin || !e.Uses("here") || !e.Uses("there") || e.Uses("other") {
		t.Errorf("%+v", e)
	}
	if local.Pairing != nil || local.Credential.Name != "here" || local.Expect.Username != "" || e.Expect.Username != "v" {
		t.Errorf("local: %+v", local)
	}
	for i, same := range []bool{true, true, false, false, false, false} {
		if other := settings.Endpoints[i]; other.SameAccount(e) != same || e.SameAccount(other) != same {
			t.Errorf("endpoint %d: the same account %t, want %t", i, !same, same)
		}
	}
}
