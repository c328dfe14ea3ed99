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

	"session_exporter/config"
)

// checkResult checks what holds for every Result: it is explained, in clean
// text, and shows no secret.
func checkResult(tb testing.TB, r Result) {
	tb.Helper()
	if r.Diagnosis == "" {
		tb.Errorf("state %s has no diagnosis", r.State)
	}
	if (r.Advice == "") != (r.State == Valid) {
		tb.Errorf("state %s has the advice %q", r.State, r.Advice)
	}
	if r.State == Valid && (r.Identity == nil || r.Identity.Username == "") {
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

// noCanary checks that no secret of the tests is in a text.
func noCanary(tb testing.TB, text string) {
	tb.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + canaryPassword))
	for _, secret := range []string{canaryPassword, canaryToken, canaryClient, basic} {
		if strings.Contains(text, secret) {
			tb.Errorf("secret %q shows in: %s", secret, text)
		}
	}
}

// quoting is an appliance that quotes back what it was sent, in every way.
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
				if r.State == Valid {
					t.Error("valid")
				}
			})
		}
	}
}

// A secret can also come back where only the transport sees it.
func TestSecretInTransportErrorIsMasked(t *testing.T) {
	e := endpointFor("hcx", config.AuthToken)
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
	if r.State != InvalidResponse {
		t.Errorf("state %s: %s", r.State, r.Diagnosis)
	}
}

// A check's answer may quote what the login sent.
func TestLoginQuotedByACheck(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + canaryPassword))
	w := way{"dr", config.AuthLogin}
	r := mustProbe(t, piped(t, w.endpoint(), &handwritten{
		post: []http.Handler{w.login()},
		get:  []http.Handler{reply{status: 500, body: `{"error_code": "INTERNAL_ERROR", "message": "Authorization: Basic ` + basic + `"}`}},
	}))
	if r.State != ServerError || !strings.Contains(r.Diagnosis, masked) {
		t.Errorf("%s: %s", r.State, r.Diagnosis)
	}
}

// What breaks HTTP in a login's answer may be the session that it gives, which was
// never known. It is not quoted; what answers a check is, for that tells most.
func TestBrokenLoginIsNotQuoted(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nX-Hm-Authorization " + canaryToken + "\r\n\r\n",
		"HTTP/1.1 " + canaryToken + "\r\n\r\n",
		canaryToken + "\r\n",
	} {
		r := mustProbe(t, piped(t, endpointFor("hcx", config.AuthLogin), raw(answer)))
		if r.State != InvalidResponse || !strings.Contains(r.Diagnosis, "malformed") {
			t.Errorf("state %s: %s", r.State, r.Diagnosis)
		}
	}
}

func TestSecretsPrintMasked(t *testing.T) {
	proof := basicProof("alice", config.NewSecret(canaryPassword))
	noCanary(t, fmt.Sprintf("%v %+v %#v", proof, proof, proof))
	held := &Session{token: config.NewSecret(canaryToken)}
	noCanary(t, fmt.Sprintf("%v %+v %#v", held, held, *held))
}
