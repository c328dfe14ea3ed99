package exporter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A directory checks the passwords of one account for all appliances, as an LDAP server
// does. It is an hcx appliance for every host but sso.test, where it is an OAuth 2.0
// server.
type directory struct {
	delay      time.Duration          // of refusals
	checkDelay time.Duration          // of requests with a password, before it is checked
	hangs      func(host string) bool // appliances that never respond; nil for none

	mu          sync.Mutex       // guards the fields below
	tokenOutage http.HandlerFunc // of the OAuth 2.0 server; nil for none
	password    string
	epoch       int         // of sessions and tokens: those of earlier epochs are refused
	refused     []refusedAt // in chronological order
	accepted    []time.Time
}

type refusedAt struct {
	password string
	at       time.Time
}

const hcxUser = `{"success": true, "completed": true, "time": 1, "version": "1.0", "data": {"user": {"username": "monitor"}}}`

func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if outage := d.outage(); outage != nil && r.URL.Path == "/token" {
		outage(w, r)
		return
	}
	password, carries := passwordIn(r)
	if d.hangs != nil && d.hangs(r.Host) {
		<-r.Context().Done()
		return
	}
	if carries && d.checkDelay > 0 {
		time.Sleep(d.checkDelay)
	}
	switch {
	case carries && !d.judge(password):
		time.Sleep(d.delay)
		http.Error(w, `{"success": false, "completed": true, "time": 1, "version": "1.0", "errorCode": "INVALID_CREDENTIALS", "error": "invalid_client"}`, http.StatusUnauthorized)
	case r.URL.Path == "/token":
		_, _ = fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, d.session())
	case carries && r.Method == http.MethodPost:
		w.Header().Set("x-hm-authorization", d.session())
		_, _ = fmt.Fprint(w, hcxUser)
	case carries || r.Method == http.MethodDelete || d.live(r):
		_, _ = fmt.Fprint(w, hcxUser)
	default:
		http.Error(w, `{"success": false, "completed": true, "time": 1, "version": "1.0", "errorCode": "INVALID_SESSION_TOKEN"}`, http.StatusUnauthorized)
	}
}

// passwordIn returns the password that a request carries, if any.
func passwordIn(r *http.Request) (password string, carries bool) {
	if _, password, basic := r.BasicAuth(); basic {
		return password, true
	}
	if r.URL.Path == "/token" { // in the form
		return r.PostFormValue("password") + r.PostFormValue("refresh_token") + r.PostFormValue("api_token"), true
	}
	var body struct{ Password string }
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&body) != nil {
		return "", false
	}
	return body.Password, true
}

func (d *directory) outage() http.HandlerFunc {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokenOutage
}

func (d *directory) endOutage() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokenOutage = nil
}

func (d *directory) judge(password string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if password == d.password {
		d.accepted = append(d.accepted, time.Now())
		return true
	}
	d.refused = append(d.refused, refusedAt{password, time.Now()})
	return false
}

func (d *directory) session() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprint("epoch-", d.epoch)
}

func (d *directory) live(r *http.Request) bool {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("x-hm-authorization")
	return token == d.session()
}

// change changes the password and drops all sessions.
func (d *directory) change(password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.password = password
	d.epoch++
}

// refusals returns how often passwords were refused since a time: one password, or all if it
// is empty.
func (d *directory) refusals(since time.Time, password string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.refused {
		if !r.at.Before(since) && (password == "" || r.password == password) {
			n++
		}
	}
	return n
}

func (d *directory) acceptedWithinLocked(from, to time.Time) bool {
	for _, at := range d.accepted {
		if !at.Before(from) && !at.After(to) {
			return true
		}
	}
	return false
}

// allowed is how many refusals one wrong secret may cost: max_refusals, and one more
// for every five seconds that a refusal takes.
func (d *directory) allowed() int { return 2 + int(d.delay/(5*time.Second)) }
