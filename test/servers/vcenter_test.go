package servers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"

	"github.com/vmware/govmomi/simulator"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	oldPath     = "/rest/com/vmware/cis/session"
	newPath     = "/api/session"
	tokenHeader = "Vmware-Api-Session-Id"
)

// idleTimeout is the time without a request after which vcsim terminates a session in these
// tests.
const idleTimeout = 2 * time.Hour

// vcsim is govmomi's simulator, with the tokens of the sessions that it created.
type vcsim struct {
	handler http.Handler

	mu     sync.Mutex // guards tokens
	tokens []string   // of the created sessions
}

// newVcsim returns a simulator with one account, whose password it checks.
func newVcsim(t *testing.T) *vcsim {
	t.Helper()
	model := simulator.VPX()
	if err := model.Create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Remove)
	t.Cleanup(func() { <-time.After(2 * idleTimeout) }) // the simulator's goroutine for a session returns after the timeout
	registry := model.Map()
	fault := registry.OptionManager().UpdateOptions(&types.UpdateOptions{ChangedValue: []types.BaseOptionValue{
		&types.OptionValue{Key: "config.vmacore.soap.sessionTimeout", Value: idleTimeout.String()},
	}}).Fault()
	if fault != nil {
		t.Fatal(fault.String)
	}
	_, handler := vapi.New(&url.URL{Scheme: "http", Host: "vcenter.test", User: url.UserPassword("monitor@vsphere.local", "right")}, registry)
	return &vcsim{handler: handler}
}

// ServeHTTP serves the older path with vcsim, and translates the newer one, which vcsim
// does not have, to the older.
func (v *vcsim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	newer := r.URL.Path == newPath
	if newer {
		r.URL.Path = oldPath
	}
	response := httptest.NewRecorder()
	v.handler.ServeHTTP(response, r)
	body := response.Body.Bytes()
	var wrapped struct {
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(body, &wrapped) == nil {
		v.record(r, wrapped.Value)
		if newer {
			body = wrapped.Value
		}
	}
	w.WriteHeader(response.Code)
	_, _ = w.Write(body)
}

// record records the token of the session that a POST created.
func (v *vcsim) record(r *http.Request, value []byte) {
	var token string
	if r.Method != http.MethodPost || json.Unmarshal(value, &token) != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens = append(v.tokens, token)
}

// sessions counts the sessions that are still valid, and those that were created.
func (v *vcsim) sessions() (live, created int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, token := range v.tokens {
		r := httptest.NewRequest(http.MethodGet, oldPath, http.NoBody)
		r.Header.Set(tokenHeader, token)
		w := httptest.NewRecorder()
		v.handler.ServeHTTP(w, r)
		if w.Code == http.StatusOK && !bytes.Contains(w.Body.Bytes(), []byte("null")) {
			live++
		}
	}
	return live, len(v.tokens)
}

// trial is a simulator and a configuration for it.
type trial struct {
	t    *testing.T
	v    *vcsim
	text string // without a password
}

// config returns the configuration with a password.
func (on trial) config(password string) string {
	return strings.Replace(on.text, "password_file: secret", "password: "+password, 1)
}

// forEachVCenter runs a test in virtual time for each path, with the built-in API and with the
// catalogue's definition.
func forEachVCenter(t *testing.T, test func(trial)) {
	t.Helper()
	builtIn := func(options string) string {
		return `
credentials: {monitor: {username: monitor@vsphere.local, password_file: secret}}
modules: {m: {api: vcenter, credential: monitor` + options + `}}
endpoints: [{name: vcenter-a, url: "https://vcenter.example.com", module: m}]`
	}
	for name, text := range map[string]string{
		"newer path":         builtIn(""),
		"older path":         builtIn(", login: {path: " + oldPath + "}"),
		"newer path, custom": catalogued(t, "vcenter"),
		"older path, custom": catalogued(t, "vcenter-rest"),
	} {
		// session_max_age: 0, so that the exporter does not replace a session before vcsim
		// terminates it.
		text = strings.NewReplacer("https://", "http://", "credential: monitor", "credential: monitor, interval: 1m, session_max_age: 0").Replace(text)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(trial{t, newVcsim(t), text})
			})
		})
	}
}

func TestVCenterSession(t *testing.T) {
	forEachVCenter(t, func(on trial) {
		t, v := on.t, on.v
		p := proberOf(t, on.config("right"), serve(t, v))
		begin := time.Now()
		for range 3 {
			r := wants(t, p, sessionapi.Valid)
			if r.Identity.Username != "monitor@vsphere.local" || !r.Established.Equal(begin) {
				t.Errorf("logged in %q at %s", r.Identity.Username, r.Established)
			}
			if id := r.Identity; !id.Created.IsZero() && (!id.Created.Equal(begin) || !id.LastAccessed.Equal(time.Now())) {
				t.Errorf("created %s, last used %s", id.Created, id.LastAccessed)
			}
			<-time.After(idleTimeout / 2)
		}
		if live, created := v.sessions(); live != 1 || created != 1 {
			t.Errorf("%d of %d sessions are live, want a single one", live, created)
		}

		<-time.After(2*idleTimeout + time.Minute)
		if live, _ := v.sessions(); live != 0 {
			t.Fatal("the simulator did not end the session")
		}
		if r := wants(t, p, sessionapi.Valid); r.Expirations != 1 || r.Logins != 1 {
			t.Errorf("renewed with %d expirations, %d logins", r.Expirations, r.Logins)
		}
		closeProber(t, p)
		if live, created := v.sessions(); live != 0 || created != 2 {
			t.Errorf("%d of %d sessions remain, want 0 of 2", live, created)
		}
	})
}

func TestVCenterWrongPassword(t *testing.T) {
	forEachVCenter(t, func(on trial) {
		t, v := on.t, on.v
		p := proberOf(t, on.config("wrong"), serve(t, v))
		if r := wants(t, p, sessionapi.CredentialsRejected); !strings.Contains(r.Diagnosis, `Wrong password for "monitor@vsphere.local"`) {
			t.Error(r.Diagnosis)
		}
		wants(t, p, sessionapi.LoginSuspended) // the guard
		closeProber(t, p)
		if _, created := v.sessions(); created != 0 {
			t.Errorf("%d sessions were created, want none", created)
		}
	})
}

// TestVCenterToken: the exporter neither renews nor logs out of a session whose token is in the
// configuration.
func TestVCenterToken(t *testing.T) {
	forEachVCenter(t, func(on trial) {
		t, v := on.t, on.v
		owner := proberOf(t, on.config("right"), serve(t, v))
		wants(t, owner, sessionapi.Valid)
		text := strings.Replace(on.config("x"), "username: monitor@vsphere.local, password: x", "token: "+v.tokens[0], 1)
		p := proberOf(t, text, serve(t, v))
		wants(t, p, sessionapi.Valid)
		closeProber(t, p)
		wants(t, p, sessionapi.Valid)
		closeProber(t, owner)
		if r := wants(t, p, sessionapi.SessionExpired); r.Logins != 0 {
			t.Errorf("%d logins, want none", r.Logins)
		}
	})
}
