package probe

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// fuzzResponse interprets a response as the response to each step, and returns the state and
// the interpretation of the check.
func fuzzResponse(t *testing.T, api sessionapi.API, response sessionapi.Response) (sessionapi.State, sessionapi.Interpretation) {
	t.Helper()
	var checked sessionapi.State
	var last sessionapi.Interpretation
	for _, step := range []sessionapi.Step{sessionapi.Login, sessionapi.Logout, sessionapi.Check} {
		interpretation := api.Interpret(step, response)
		x := &exchange{step: step, interpretation: interpretation, Exchange: transport.Exchange{Response: response, Written: time.Now(), FirstByte: time.Now()}}
		for _, auth := range api.Spec().Auth {
			checked = x.state(auth)
			if checked == "" {
				t.Errorf("%s by %s has no state", step, auth)
			}
		}
		if checked == sessionapi.Valid && step == sessionapi.Login && interpretation.Token.IsZero() {
			t.Error("a login without a token is valid")
		}
		if skew, known := x.Skew(interpretation.ServerTime); known && (skew > 200*365*24*time.Hour || skew < -200*365*24*time.Hour) {
			t.Errorf("the clock is off by %s", skew)
		}
		last = interpretation
		interpretation.Clean()
	}
	if checked == sessionapi.Valid {
		if !response.OK() {
			t.Errorf("valid with status %d", response.Status)
		}
		if !last.Identity.Named() {
			t.Errorf("valid without a user: %q", response.Body)
		}
	}
	return checked, last
}

func FuzzHCX(f *testing.F) {
	for _, seed := range []string{hcxOK, hcxUnauthorized, hcxInternal, hcxFailure("BAD_REQUEST"), `{}`, `null`, ``, `<html>`, `{"success": true, "data": {"user": {"username": " "}}}`} {
		for _, status := range []int{200, 204, 401, 500} {
			f.Add(status, []byte(seed), "token")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, token string) {
		header := http.Header{hcxTokenHeader: {token}}
		state, _ := fuzzResponse(t, builtIn["hcx"], sessionapi.Response{Status: status, Header: header, Body: body})
		var last struct{ Success bool }
		if err := json.Unmarshal(body, &last); state == sessionapi.Valid && (err != nil || !last.Success) {
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
		response := sessionapi.Response{Status: status, Header: http.Header{"Date": {date}}, Body: body}
		if state, _ := fuzzResponse(t, builtIn["dr"], response); state == sessionapi.Valid && strings.TrimSpace(string(body)) == "" {
			t.Error("valid without a body")
		}
	})
}
