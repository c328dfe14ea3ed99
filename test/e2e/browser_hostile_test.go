package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"session_exporter/simulator"
)

// Texts of a hostile appliance. The first four would run a script or create an element if they
// were interpreted as HTML, evilMetric would add a metric, and evilControl would change a
// terminal. They are short, because long texts are truncated.
const (
	evilScript  = `"><script>window.pwned=1</script><x-evil>`
	evilPicture = `'><img src=x onerror=window.pwned=2><x-evil>`
	evilHandler = `" onmouseover="window.pwned=3" autofocus onfocus="window.pwned=4`
	evilTitle   = `</title></pre></dd><svg onload=window.pwned=5><x-evil>`
	evilMetric  = "\"} 1\nevil_metric{a=\"b"
	// A terminal's sequences for a color and a title, a C1 control, NUL, bidirectional controls,
	// a zero-width space, a line separator, a backspace, a carriage return.
	evilControl = "\x1b[31m\x1b]0;pwned\x07\u009b31m\x00\u202e\u2066\u200b\u2028\b\r"
)

// hostile returns appliances that put hostile texts into every part of their responses, by
// the name of their endpoint.
func hostile(t *testing.T) map[string]*appliance {
	t.Helper()
	body := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	with := func(fault simulator.Fault) simulator.Settings {
		settings := withAccount(password)
		settings.Faults = []simulator.Fault{fault}
		return settings
	}
	check := simulator.Check
	type object = map[string]any
	return map[string]*appliance{
		"identity": newHCX(t, with(simulator.Fault{On: check, Body: body(object{
			"success": true, "completed": true, "time": 1, "version": evilMetric + evilScript,
			"data": object{"user": object{
				"username": evilControl + evilScript, "enterprise": evilTitle + evilControl,
				"organization": []string{evilPicture, evilControl + evilMetric}, "currentOrganization": evilPicture,
				"roles": []string{evilScript, evilPicture, evilHandler, evilTitle, evilControl + evilMetric}, "transactionId": evilHandler + evilControl,
			}},
		})})),
		"error": newHCX(t, with(simulator.Fault{On: check, Status: http.StatusInternalServerError, Body: body(object{
			"success": false, "errorCode": evilControl + evilScript, "error": evilPicture + evilControl + evilTitle, "time": 1, "version": evilHandler,
		})})),
		"login": newHCX(t, with(simulator.Fault{On: simulator.Login, Status: http.StatusUnauthorized, Body: body(object{
			"success": false, "errorCode": "INVALID_CREDENTIALS", "error": evilScript + evilControl + evilMetric,
		})})),
		"html": newHCX(t, with(simulator.Fault{
			On:     check,
			Header: map[string]string{"Content-Type": "text/html; x=" + evilScript, "Server": evilPicture, "Location": "javascript:window.pwned=6"},
			Body:   "<html><script>window.pwned=7</script>" + evilScript + evilPicture + evilHandler + evilTitle + evilControl,
		})),
		"redirect": newDR(t, with(simulator.Fault{
			Status: http.StatusFound,
			Header: map[string]string{"Location": "javascript:window.pwned=8//" + evilScript, "Www-Authenticate": evilTitle},
			Body:   evilControl + evilPicture,
		})),
		"dr": newDR(t, with(simulator.Fault{On: check, Status: http.StatusForbidden, Body: body(object{
			"error_code": evilControl + evilHandler, "message": evilTitle + evilMetric, "op_id": evilScript, "localized": evilPicture + evilControl,
		})})),
	}
}

// TestBrowserHostileAppliance: whatever an appliance sends is shown as plain text in a
// browser, in metrics, in the log, and on a terminal.
func TestBrowserHostileAppliance(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	var credentials, endpoints strings.Builder
	secret := secretFile(t, password)
	appliances := hostile(t)
	for name, a := range appliances {
		module := "hcx"
		if name == "redirect" || name == "dr" {
			module = "dr"
		}
		own := secret
		if name == "login" { // refusals would suspend the same account elsewhere
			own = secretFile(t, newPassword)
		}
		fmt.Fprintf(&credentials, "  %s: {username: %s, password_file: %q, lockout_guard: {max_refusals: 1}}\n", name, user, own)
		fmt.Fprintf(&endpoints, "  - {name: %s, url: %s, module: %s, credential: %[1]s}\n", name, a.url, module)
	}
	configuration := fmt.Sprintf(strings.Replace(prelude, "api: hcx,", "api: hcx, expect: {username: nobody, roles: [Nothing], organizations: [NONE]},", 1)+
		"credentials:\n%s\nendpoints:\n%s", caFile, &credentials, &endpoints)
	x := serve(t, configuration, "--log.level=debug")
	states := map[string]string{
		"identity": "unexpected", "error": "server_error", "login": "login_suspended",
		"html": "invalid_response", "redirect": "invalid_response", "dr": "forbidden",
	}
	found := want{}
	for name, state := range states {
		found[fmt.Sprintf("session_state{endpoint=%q,state=%q}", name, state)] = 1
	}
	x.await(t, found)

	t.Run("browser", func(t *testing.T) {
		b := newTab(t, x.url)
		pages := []string{"/", "/?q=" + "%3Cscript%3Ewindow.pwned%3D9%3C/script%3E&done=%3Cx-evil%3E"}
		for name := range states {
			pages = append(pages, "/endpoints/"+name)
		}
		for _, page := range pages {
			b.open(t, page)
			if made := evaluate[[]string](t, b, `Array.from(document.querySelectorAll("x-evil, img, iframe, object, embed, base, script:not([src]), [onload], [onerror], [onmouseover], [onfocus], [autofocus], a[href^=javascript]"), e => e.outerHTML)`); len(made) > 0 {
				t.Errorf("%s: the appliance created %q", page, made)
			}
			if ran := evaluate[string](t, b, "String(window.pwned)"); ran != "undefined" {
				t.Errorf("%s: script %s ran", page, ran)
			}
			if text := evaluate[string](t, b, "document.documentElement.outerHTML"); firstBad(text) != "" {
				t.Errorf("%s has %s", page, firstBad(text))
			}
		}
		for name, text := range map[string]string{"identity": evilScript, "error": evilPicture, "html": evilTitle, "redirect": "< Location: javascript:", "login": evilScript, "dr": `" onmouseover="`} {
			b.open(t, "/endpoints/"+name)
			b.awaitText(t, "main", text)
		}
	})
	for _, path := range []string{"/metrics", "/api/v1/endpoints?history=100", "/sd", "/probe?endpoint=identity", "/probe?endpoint=error&debug=true", "/probe?endpoint=html&debug=true", "/probe?endpoint=redirect&debug=true"} {
		text := x.get(t, path)
		if bad := firstBad(text); bad != "" {
			t.Errorf("%s has %s", path, bad)
		}
		if path == "/metrics" {
			lint(t, text)
			if m := parse(t, text); m["evil_metric"] != nil || len(m.series(`session_info{endpoint="identity"}`)) != 1 {
				t.Errorf("unexpected metrics:\n%s", text)
			}
		}
	}
	if got := x.stderr.String(); firstBad(got) != "" || len(x.states(t, "identity")) == 0 {
		t.Errorf("the log has %s:\n%s", firstBad(got), got)
	}
	file := configFile(t, configuration)
	for _, args := range [][]string{{"--all"}, {"identity", "error", "html", "dr", "redirect"}, {"--all", "-o", "json"}, {"--all", "-o", "metrics"}} {
		shown, code := atTerminal(t, 200, `"$@"`, append([]string{"probe", "--config.file=" + file}, args...)...)
		if bad := firstBad(ours.ReplaceAllString(shown, "")); bad != "" || code != 1 || !strings.Contains(shown, "identity") {
			t.Errorf("%q exits with %d, want 1; it must not show %q:\n%q", args, code, bad, shown)
		}
	}
}

// ours matches the escape sequences that the program itself prints.
var ours = regexp.MustCompile("\x1b\\[([\\d;]{0,9}m|K)")

// firstBad returns the first character that must not be shown, with its context, or an empty
// string.
func firstBad(text string) string {
	for i, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar) {
			return fmt.Sprintf("%U in %q", r, text[max(0, i-60):min(len(text), i+60)])
		}
	}
	return ""
}
