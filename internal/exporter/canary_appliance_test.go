//go:build !race

package exporter

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A quotation specifies which secret one appliance quotes, and how.
type quotation struct {
	kind, part string // a name in canaryKinds, and one of its parts
	mode       string // a key of canaryModes
	encoder    int    // index
	plain      bool   // the secret has only letters, digits and hyphens
}

func (q quotation) path() string {
	return fmt.Sprintf("/%s_%s_%s_%d_%t", q.kind, q.part, q.mode, q.encoder, q.plain)
}

// quotationOf reads the path of a request's endpoint.
func quotationOf(r *http.Request) quotation {
	fields := strings.Split(strings.Split(r.URL.Path, "/")[1], "_")
	number, _ := strconv.Atoi(fields[3])
	return quotation{fields[0], fields[1], fields[2], number, fields[4] == "true"}
}

// quote returns what the appliance quotes, encoded: the secret itself, or a part of the
// request that contains it.
func (q quotation) quote(encoders []encoder) string {
	text := canaryOf(q.part, q.plain)
	switch q.part {
	case "pair":
		text = "monitor:" + canaryOf("password", q.plain)
	case "basic":
		text = "Basic " + base64.StdEncoding.EncodeToString([]byte("monitor:"+canaryOf("password", q.plain)))
	}
	return encoders[q.encoder].encode(text)
}

// canaryModes are the responses with which an appliance quotes a secret, each in a different
// place.
var canaryModes = map[string]func(w http.ResponseWriter, quote string){
	"500": func(w http.ResponseWriter, quote string) { respondQuoting(w, 500, quote) },
	"403": func(w http.ResponseWriter, quote string) { respondQuoting(w, 403, quote) },
	"401": func(w http.ResponseWriter, quote string) { respondQuoting(w, 401, quote) },
	"400": func(w http.ResponseWriter, quote string) { respondQuoting(w, 400, quote) },
	"429": func(w http.ResponseWriter, quote string) { respondQuoting(w, 429, quote) },
	"identity": func(w http.ResponseWriter, quote string) {
		fmt.Fprintf(w, `{"success":true,"completed":true,"version":%[1]s,"username":%[1]s,"user":%[1]s,"data":{"user":{"username":%[1]s,"enterprise":%[1]s,
			"currentOrganization":%[1]s,"organization":[%[1]s],"roles":[%[1]s],"transactionId":%[1]s}}}`, `"`+quotedJSON(quote, false)+`"`)
	},
	"html": func(w http.ResponseWriter, quote string) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<html><p>You sent "+quote+"</p></html>")
	},
	"xml": func(w http.ResponseWriter, quote string) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `<?xml version="1.0"?><error message="`+quote+`"/>`)
	},
	"text": func(w http.ResponseWriter, quote string) { http.Error(w, "bad: "+quote, http.StatusBadGateway) },
	"short": func(w http.ResponseWriter, quote string) {
		respondQuoting(w, http.StatusInternalServerError, "bad: "+mostOf(quote))
	},
	"redirect": func(w http.ResponseWriter, quote string) {
		w.Header().Set("Location", "https://sso.example.com/"+quote+"?from="+quote+"#"+quote)
		w.WriteHeader(http.StatusFound)
	},
	"headers": func(w http.ResponseWriter, quote string) {
		for _, name := range []string{"Location", "WWW-Authenticate", "Server", "Set-Cookie", "Via", "Content-Type", "Retry-After", "X-Error"} {
			w.Header().Set(name, "Basic realm="+quote)
		}
		w.WriteHeader(http.StatusUnauthorized)
	},
	"trailer": func(w http.ResponseWriter, quote string) {
		w.Header().Set("Trailer", "X-Error, Server")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "x")
		w.Header().Set("X-Error", quote)
		w.Header().Set("Server", quote)
	},
	"statusline": func(w http.ResponseWriter, quote string) { sendRaw(w, "HTTP/1.1 "+quote+"\r\n\r\n") },
	"reason": func(w http.ResponseWriter, quote string) {
		sendRaw(w, "HTTP/1.1 503 "+quote+"\r\nContent-Length: 0\r\n\r\n")
	},
	"headerline": func(w http.ResponseWriter, quote string) { sendRaw(w, "HTTP/1.1 200 OK\r\n"+quote+" \x1b\r\n\r\n") },
	"coding": func(w http.ResponseWriter, quote string) {
		sendRaw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+quote+"\r\n\r\n")
	},
	"length": func(w http.ResponseWriter, quote string) {
		sendRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: "+quote+"\r\n\r\n")
	},
	"broken": func(w http.ResponseWriter, quote string) {
		sendRaw(w, "HTTP/1.1 500 No\r\nContent-Length: 9999\r\n\r\n{\"message\": \"bad "+mostOf(quote))
	},
}

// mostOf returns the first 60 % of a text.
func mostOf(text string) string { return text[:len(text)*6/10] }

// respondQuoting responds with an error in the formats of all APIs in one body.
func respondQuoting(w http.ResponseWriter, status int, quote string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"success":false,"completed":false,"time":1,"errorCode":%[1]s,"error":%[1]s,"error_code":%[1]s,"message":%[1]s,"op_id":%[1]s,"error_description":%[1]s,"error_type":%[1]s,"messages":[{"id":%[1]s,"default_message":%[1]s,"args":[%[1]s]}]}`,
		`"`+quotedJSON(quote, false)+`"`)
}

func sendRaw(w http.ResponseWriter, response string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, response)
	_ = conn.Close()
}

// A quotingAppliance is a separate appliance at each path: it quotes one part in the response
// to one kind of request, and otherwise works.
type quotingAppliance struct {
	encoders []encoder

	mu     sync.Mutex     // guards the fields below
	sent   map[string]int // requests, by path and step
	quoted map[string]int // by kind
}

func (a *quotingAppliance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	q := quotationOf(r)
	step := r.Method
	if strings.HasSuffix(r.URL.Path, "/token") {
		step = "TOKEN"
	}
	at := ""
	for _, kind := range canaryKinds {
		if kind.name == q.kind {
			at = kind.at
		}
	}
	a.mu.Lock()
	a.sent[q.path()+step]++
	n := a.sent[q.path()+step]
	quotes := step == at && (q.kind != "old-check" || n > 2)
	if quotes {
		a.quoted[q.kind]++
	}
	a.mu.Unlock()
	switch {
	case quotes:
		canaryModes[q.mode](w, q.quote(a.encoders))
	case q.kind == "old-check" && step == "GET" && n == 2:
		w.WriteHeader(http.StatusUnauthorized) // which makes the client replace the session
	case step == "TOKEN":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "%s", "token_type": "Bearer", "expires_in": 3600}`, quotedJSON(canaryOf("access", q.plain), true))
	case step == "POST":
		session := canaryOf("session", q.plain)
		if q.kind == "old-check" && n == 1 {
			session = canaryOf("first", q.plain)
		}
		w.Header().Set("X-Hm-Authorization", session)
		w.Header().Set("X-Dr-Session", session)
		w.Header().Set("Set-Cookie", "sid="+canaryOf("session", q.plain))
		w.WriteHeader(map[bool]int{true: http.StatusCreated, false: http.StatusOK}[strings.HasPrefix(q.kind, "vcenter")])
		text := `"` + quotedJSON(session, true) + `"`
		if strings.HasPrefix(q.kind, "vcenter") {
			_, _ = io.WriteString(w, text)
			return
		}
		fmt.Fprintf(w, `{"success": true, "completed": true, "time": 1, "data": {"user": {"username": "monitor"}}, "session_id": %s, "username": "monitor"}`, text)
	default:
		_, _ = io.WriteString(w, `{"success":true,"completed":true,"time":1,"version":"1.0","username":"monitor","user":"monitor","data":{"user":{"username":"monitor","roles":["r"]}}}`)
	}
}
