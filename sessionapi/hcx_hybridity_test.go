package sessionapi

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
)

const hybridityXML = `<?xml version="1.0" encoding="UTF-8"?><entries><entry><string>SSO is not configured</string></entry></entries>`

// hybridity interprets a response. token is in its header, unless it is empty.
func hybridity(step Step, status int, token, body string) Interpretation {
	response := Response{Status: status, Header: http.Header{}, Body: []byte(body)}
	if token != "" {
		response.Header.Set("x-hm-authorization", token)
	}
	return hcxHybridity{}.Interpret(step, response)
}

func TestHCXHybridity(t *testing.T) {
	for _, c := range []struct {
		name         string
		step         Step
		status       int
		token, body  string
		state        State
		why, message string
	}{
		{"login", Login, 200, "t", "", Valid, "", ""},
		{"login accepted", Login, 202, "t", "", Valid, "", ""},
		{"login with any body", Login, 200, "t", "<html>", Valid, "", ""},
		{"login with XML", Login, 200, "t", hybridityXML, Valid, "", ""},
		{"login without a token", Login, 200, "", `{"data": {}}`, InvalidResponse, "no session token", ""},
		{"login without anything", Login, 202, "", "", InvalidResponse, "no session token", ""},
		{"login is a page", Login, 200, "", "<html>", InvalidResponse, "HTML", ""},
		{"login without a token, but an error", Login, 200, "", hybridityXML, ServerError, "reports an error", "SSO is not configured"},
		{"login without a token, but a refusal", Login, 200, "", `{"error": "Invalid password"}`, CredentialsRejected, "reports an error", "Invalid password"},
		{"refused", Login, 401, "", "", "", hybridityRefusals, ""},
		{"refused with a session", Login, 401, "t", "", "", hybridityRefusals, ""},
		{"refused in XML", Login, 401, "", hybridityXML, "", hybridityRefusals, "SSO is not configured"},
		{"locked", Login, 401, "", strings.Replace(hybridityXML, "SSO is not configured", "Account is locked", 1), "", "", "Account is locked"},
		{"malformed", Login, 400, "", "", "", "", ""},
		{"malformed in JSON", Login, 400, "", `{"errorCode": "X", "message": "no"}`, "", "", "no"},
		{"down", Login, 503, "", hybridityXML, "", "", "SSO is not configured"},
		{"check", Check, 200, "", `{"data": {"items": []}}`, Valid, "no logout", ""},
		{"check with a list", Check, 200, "", ` [{}]`, Valid, "", ""},
		{"check that succeeded", Check, 200, "", `{"success": true, "errorCode": null, "error": "", "errors": [], "data": {"items": []}}`, Valid, "", ""},
		{"check with a message", Check, 200, "", `{"message": 7}`, Valid, "", ""},
		{"check that failed", Check, 200, "", `{"success": false}`, ServerError, "reports an error", ""},
		{"check with errors", Check, 200, "", `{"errors": [{}]}`, ServerError, "reports an error", ""},
		{"check with an XML error", Check, 200, "", hybridityXML, ServerError, "reports an error", "SSO is not configured"},
		{"check that is not authorized", Check, 200, "", `{"error": "Unauthorized"}`, SessionExpired, "reports an error", "Unauthorized"},
		{"check with an expired token", Check, 200, "", `{"error": "The token has expired"}`, SessionExpired, "reports an error", "The token has expired"},
		{"check with an expired certificate", Check, 200, "", `{"error": "The certificate of the remote site has expired"}`, ServerError, "reports an error", "The certificate of the remote site has expired"},
		{"check that is denied", Check, 200, "", `{"error": "Access denied: not authorized for site pairing"}`, ServerError, "reports an error", "Access denied: not authorized for site pairing"},
		{"login refused by a page", Login, 401, "", "<html>", InvalidResponse, "HTML", ""},
		{"check is a page", Check, 200, "", "<html>", InvalidResponse, "HTML", ""},
		{"check is a JSON string", Check, 200, "", `"ok"`, InvalidResponse, "JSON string", ""},
		{"check is half a list", Check, 200, "", `[1`, InvalidResponse, "not JSON", ""},
		{"check is null", Check, 200, "", " null", InvalidResponse, "empty", ""},
		{"check without a body", Check, 204, "", "", InvalidResponse, "empty", ""},
		{"session refused", Check, 401, "", "", "", "", ""},
		{"no permission", Check, 403, "", hybridityXML, "", "", "SSO is not configured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := hybridity(c.step, c.status, c.token, c.body)
			if in.State != c.state || c.why == "" && c.state != Valid && in.Why != "" || !strings.Contains(in.Why, c.why) || in.Message != c.message {
				t.Errorf("%q, %q, %q; want %q, … %q …, %q", in.State, in.Why, in.Message, c.state, c.why, c.message)
			}
			if in.Token.Reveal() != c.token || in.Identity.Named() != (c.step == Check && c.state == Valid) {
				t.Errorf("token %q, identity %+v", in.Token.Reveal(), in.Identity)
			}
		})
	}
}

// The message has the texts of an XML error, without markup. Any other body has no message.
func TestXMLErrorsAreQuotedAsWords(t *testing.T) {
	for body, want := range map[string]string{
		hybridityXML: "SSO is not configured",
		"\n <entries>\n <entry>\n  <string>error</string>\n  <string>Login failed &amp; locked</string>\n </entry>\n</entries>\n": "error: Login failed & locked",
		"<entries><entry><string/><string> </string><string>x</string></entry></entries>":                                         "x",
		"<entries><entry><string>a<!-- b -->c</string><int>7</int></entry></entries>":                                             "ac",
		`<?xml version="1.0" encoding="ISO-8859-1"?><entries><entry><string>x</string></entry></entries>`:                         "x",
		"<entries><entry><string><![CDATA[<b>]]></string></entry></entries>":                                                      "<b>",
		"<entries></entries>":                              "",
		"<entries><entry><string>x":                        "",
		"<entries><entry><string>&other;</string></entry>": "",
		"<html><body>x</body></html>":                      "",
		"{}":                                               "",
		"":                                                 "",
	} {
		if got := xmlError([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// Entities, nesting, attributes and sheer size take at most 1 MiB of memory.
func TestXMLBombs(t *testing.T) {
	laughs := `<?xml version="1.0"?><!DOCTYPE entries [<!ENTITY a "ha">`
	for name := 'b'; name <= 'z'; name++ {
		laughs += `<!ENTITY ` + string(name) + ` "` + strings.Repeat("&"+string(name-1)+";", 10) + `">`
	}
	for name, body := range map[string]string{
		"entities":         laughs + `]><entries><entry><string>&z;</string></entry></entries>`,
		"external":         `<!DOCTYPE entries [<!ENTITY x SYSTEM "file:///etc/passwd">]><entries><entry><string>&x;</string></entry></entries>`,
		"nesting":          strings.Repeat("<entries>", 1<<17),
		"short nesting":    strings.Repeat("<entries>", 1<<10),
		"elements":         "<entries><entry>" + strings.Repeat("<string>x</string>", 1<<16),
		"attributes":       "<entries " + strings.Repeat(`a="b" `, 1<<17) + "/>",
		"a long text":      "<entries><entry><string>" + strings.Repeat("x", 1<<20) + "</string></entry></entries>",
		"a long name":      "<" + strings.Repeat("x", 1<<20),
		"a long comment":   "<!--" + strings.Repeat("x", 1<<20),
		"a long directive": "<!DOCTYPE " + strings.Repeat("<", 1<<20),
		"below the limit":  "<entries><entry>" + strings.Repeat("<string>x</string>", maxXML/20) + "</entry></entries>",
	} {
		t.Run(name, func(t *testing.T) {
			text := []byte(body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := xmlError(text)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%d bytes of XML take %d bytes of memory, want at most 1 MiB", len(text), used)
			}
			if len(got) > maxXML || got != "" && name != "below the limit" {
				t.Errorf("the error has %d bytes: %.100q; want none, or at most %d for XML below the limit", len(got), got, maxXML)
			}
		})
	}
}

func FuzzHCXHybridity(f *testing.F) {
	for _, body := range []string{hybridityXML, `{"data": {"items": []}}`, `{"errorCode": "X", "errors": {}}`, "[]", "<html>", "", "<entries><entry><string>a<!---->b"} {
		for _, status := range []int{200, 400, 401, 503} {
			f.Add(status, true, "", []byte(body))
			f.Add(status, false, "token", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, login bool, token string, body []byte) {
		step := map[bool]Step{true: Login, false: Check}[login]
		in := hybridity(step, status, token, string(body))
		if in.State == Valid && (status < 200 || status > 299 || login && token == "" || !login && !in.Identity.Named()) {
			t.Errorf("%s %d %q %q is valid", step, status, token, body)
		}
	})
}
