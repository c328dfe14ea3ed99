package probe

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"session_exporter/config"
)

// fuzzAnswer reads any bytes as an answer, and returns the state of a check.
func fuzzAnswer(t *testing.T, api API, answer Answer) (State, Reading) {
	t.Helper()
	var checked State
	var said Reading
	for _, step := range []Step{Login, Logout, Check} {
		reading := api.Read(step, answer)
		x := &exchange{step: step, answer: answer, written: time.Now(), answered: time.Now()}
		for _, auth := range api.Spec().Auth {
			checked = classify(x, reading, auth)
			if checked == "" {
				t.Errorf("%s by %s has no state", step, auth)
			}
		}
		if checked == Valid && step == Login && reading.Token.IsZero() {
			t.Error("a login without a token is valid")
		}
		if skew, known := x.skew(reading.ServerTime); known && (skew > 200*365*24*time.Hour || skew < -200*365*24*time.Hour) {
			t.Errorf("the clock is off by %s", skew)
		}
		said = reading
		reading.clean()
	}
	if checked == Valid {
		if !answer.ok() {
			t.Errorf("valid with status %d", answer.Status)
		}
		if !said.Identity.named() {
			t.Errorf("valid without a user: %q", answer.Body)
		}
	}
	return checked, said
}

func FuzzHCX(f *testing.F) {
	for _, seed := range []string{hcxOK, hcxUnauthorized, hcxInternal, hcxFailure("BAD_REQUEST"), `{}`, `null`, ``, `<html>`, `{"success": true, "data": {"user": {"username": " "}}}`} {
		for _, status := range []int{200, 204, 401, 500} {
			f.Add(status, []byte(seed), "token")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, token string) {
		header := http.Header{hcxTokenHeader: {token}}
		state, _ := fuzzAnswer(t, hcx{}, Answer{Status: status, Header: header, Body: body})
		var said struct{ Success bool }
		if err := json.Unmarshal(body, &said); state == Valid && (err != nil || !said.Success) {
			t.Errorf("valid without success: %q", body)
		}
	})
}

func FuzzDR(f *testing.F) {
	for _, seed := range []string{drOK, drError, `{}`, `{"username": ""}`, `{"username": "\u200b"}`, `null`, ``, `[]`, `{"session_id": "x"}`} {
		for _, status := range []int{200, 204, 400, 401, 500} {
			f.Add(status, []byte(seed), "Mon, 02 Jan 2006 15:04:05 GMT")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, date string) {
		answer := Answer{Status: status, Header: http.Header{"Date": {date}}, Body: body}
		if state, _ := fuzzAnswer(t, dr{}, answer); state == Valid && strings.TrimSpace(string(body)) == "" {
			t.Error("valid without a body")
		}
	})
}

// What an API says of itself has to hold together.
func TestSpecs(t *testing.T) {
	known := APIs()
	if len(known) != len(apis) {
		t.Errorf("%d APIs", len(known))
	}
	for name := range known {
		spec := SpecFor(&config.Endpoint{Settings: config.Settings{API: name}})
		if spec.SessionHeader != http.CanonicalHeaderKey(spec.SessionHeader) || len(spec.Auth) == 0 {
			t.Errorf("%s: %+v", name, spec)
		}
		for _, step := range []Step{Check, Login, Logout} {
			call := apis[name].Call(step, Account{Username: "alice", Password: config.NewSecret("x")})
			if call.Method == "" || !strings.HasPrefix(call.Path, "/") || (call.Basic && step == Login) != spec.LoginByBasic && step == Login {
				t.Errorf("%s %s: %+v", name, step, call)
			}
		}
	}
	if spec := SpecFor(&config.Endpoint{Settings: config.Settings{API: "soap"}}); spec.SessionHeader != "" {
		t.Errorf("soap: %+v", spec)
	}
	if n := len(States()); n != 15 {
		t.Errorf("%d states", n)
	}
}
