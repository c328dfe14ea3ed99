package probe

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// checkResult checks what applies to every Result: it has an explanation in clean text,
// and shows no secret.
func checkResult(tb testing.TB, r Result) {
	tb.Helper()
	if r.Diagnosis == "" {
		tb.Errorf("state %s has no diagnosis", r.State)
	}
	provesNothing := r.NegativeControl != nil && !r.NegativeControl.Refused
	if (r.Advice == "") != (r.State == sessionapi.Valid && !provesNothing) {
		tb.Errorf("state %s has the advice %q", r.State, r.Advice)
	}
	if r.State == sessionapi.Valid && (r.Identity == nil || r.Identity.Username == "") {
		tb.Errorf("valid without a user: %+v", r.Identity)
	}
	for _, text := range []string{r.Diagnosis, r.Advice} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			tb.Errorf("text is not clean: %q", text)
		}
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		tb.Fatal(err)
	}
	noCanary(tb, string(encoded))
	noCanary(tb, fmt.Sprintf("%+v", r))
	for _, step := range r.Steps {
		noCanary(tb, fmt.Sprintf("%+v", step))
	}
}

// noCanary checks that a text contains no secret of the tests.
func noCanary(tb testing.TB, text string) {
	tb.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + canaryPassword))
	for _, current := range []string{canaryPassword, canaryToken, canaryClient, basic} {
		if strings.Contains(text, current) {
			tb.Errorf("secret %q shows in: %s", current, text)
		}
	}
}

// quoting returns an appliance that quotes the body and the headers of each request in its
// response. format is the body of the response, in which %s or %[1]s is the quotation, a JSON
// string.
func quoting(format string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body [256]byte
		n, _ := r.Body.Read(body[:])
		sent, _ := json.Marshal("bad: " + string(body[:n]) + fmt.Sprint(r.Header))
		status := http.StatusBadRequest
		if r.Method == http.MethodGet {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, sent)
	}
}

func TestQuotedSecretsAreMasked(t *testing.T) {
	for _, way := range ways {
		for name, format := range map[string]string{
			"hcx": `{"success": false, "completed": false, "time": 1, "version": "1.0", "errorCode": %[1]s, "error": %[1]s}`,
			"dr":  `{"error_code": %[1]s, "message": %[1]s, "op_id": %[1]s}`,
		} {
			t.Run(way.String()+"/"+name, func(t *testing.T) {
				p := piped(t, way.endpoint(), quoting(format))
				r := mustProbe(t, p)
				if r.State == sessionapi.Valid {
					t.Error("an error response is valid")
				}
			})
		}
	}
}

// The error of the transport quotes malformed HTTP, which may contain the secret.
func TestSecretInTransportErrorIsMasked(t *testing.T) {
	e := endpointFor("hcx", sessionapi.AuthToken)
	p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\n\x1b[31m %s\r\n\r\n", r.Header.Get(hcxTokenHeader))
		_ = buffered.Flush()
	}))
	r := mustProbe(t, p)
	if r.State != sessionapi.InvalidResponse {
		t.Errorf("state %s: %s", r.State, r.Diagnosis)
	}
}

// The response to a check may quote the password of the login.
func TestLoginQuotedByACheck(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + canaryPassword))
	w := way{"dr", sessionapi.AuthLogin}
	r := mustProbe(t, piped(t, w.endpoint(), &handwritten{
		post: []http.Handler{w.login()},
		get:  []http.Handler{reply{status: 500, body: `{"error_code": "INTERNAL_ERROR", "message": "Authorization: Basic ` + basic + `"}`}},
	}))
	if r.State != sessionapi.ServerError || !strings.Contains(r.Diagnosis, mask.Masked) {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.ServerError, r.Diagnosis)
	}
}

// Malformed HTTP in response to a login may contain the session, which no mask knows yet,
// so the diagnosis does not quote it.
func TestMalformedLoginResponseIsNotQuoted(t *testing.T) {
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nX-Hm-Authorization " + canaryToken + "\r\n\r\n",
		"HTTP/1.1 " + canaryToken + "\r\n\r\n",
		canaryToken + "\r\n",
	} {
		r := mustProbe(t, piped(t, endpointFor("hcx", sessionapi.AuthLogin), raw(response)))
		if r.State != sessionapi.InvalidResponse || !strings.Contains(r.Diagnosis, "malformed") {
			t.Errorf("state %s: %s", r.State, r.Diagnosis)
		}
	}
}

func TestSecretsPrintMasked(t *testing.T) {
	basic := sessionapi.Basic("alice", secret.New(canaryPassword))
	noCanary(t, fmt.Sprintf("%v %+v %#v", basic, basic, basic))
	held := &Session{token: secret.New(canaryToken)}
	noCanary(t, fmt.Sprintf("%v %+v %#v", held, held, *held))
}
