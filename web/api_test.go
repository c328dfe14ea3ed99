package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// The JSON of an endpoint whose values are all known, and of one without any.
func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time starts at midnight UTC on 2000-01-01
		now := time.Now()
		skew := -1500 * time.Millisecond
		s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true, Refusals: 2, Changed: now.Add(-time.Hour)}, {Name: "idle"}}}
		s.add("known", &probe.Result{
			State: sessionapi.Unexpected, Diagnosis: "A role is missing.", Advice: "Give it.", Duration: 250 * time.Millisecond,
			Steps:         []probe.StepResult{{Step: sessionapi.Check, Status: 200, Code: "CODE", OpID: "op-1", Phases: probe.Phases{Processing: 20 * time.Millisecond}}},
			Identity:      &sessionapi.Identity{Username: "<monitor>", Organization: "DEFAULT", Roles: []string{"one"}},
			RolesExpected: map[string]bool{"one": true, "two": false}, ClockSkew: &skew,
			CertificateExpiry: now.Add(time.Hour), CredentialExpiries: map[string]time.Time{"config": now.Add(2 * time.Hour)}, ExpiryOf: "root at a",
			NegativeControl: &probe.NegativeControl{Time: now.UTC()},
			Established:     now.Add(-time.Minute), Expirations: 1, Lifetime: 90 * time.Second, ResumeAt: now.Add(time.Minute), RetryAfterUntil: now.Add(time.Minute), LastRequest: now,
		}).Labels = map[string]string{"site": "a"}
		s.add("nothing", nil)
		handler := s.handler(t)
		time.Sleep(time.Minute)
		response := send(handler, http.MethodGet, "/api/v1/endpoints?history=1&changes=1")
		const want = `{
"time": "2000-01-01T00:01:00Z", "total": 2, "selected": 2,
"states": {"unexpected": 1, "unknown": 1},
"credentials": [
  {"name": "account", "suspended": true, "refusals": 2, "changed": "1999-12-31T23:00:00Z"},
  {"name": "idle", "suspended": false, "refusals": 0, "changed": null}],
"endpoints": [{
  "name": "known", "url": "https://appliance.test:9443", "api": "hcx", "module": "m", "credential": "account", "labels": {"site": "a"},
  "interval_seconds": 60, "timeout_seconds": 10,
  "state": "unexpected", "since": "2000-01-01T00:00:00Z", "diagnosis": "A role is missing.", "advice": "Give it.",
  "verdict": "accepted", "verdict_at": "2000-01-01T00:00:00.25Z",
  "last_probe": "2000-01-01T00:00:00Z", "last_probe_duration_seconds": 0.25, "last_success": null, "consecutive_failures": 1,
  "next_probe": "NEXT", "last_request": "2000-01-01T00:00:00Z", "held_back": "retry_after", "resume_at": "2000-01-01T00:01:00Z",
  "http_status": 200, "code": "CODE", "operation_id": "op-1",
  "session_established": "1999-12-31T23:59:00Z", "session_lifetime_seconds": 90,
  "identity": {"username": "<monitor>", "organization": "DEFAULT", "enterprise": null, "version": null, "roles": ["one"], "organizations": null, "created": null, "last_accessed": null},
  "roles_expected": {"one": true, "two": false}, "clock_skew_seconds": -1.5,
  "certificate_expiry": "2000-01-01T01:00:00Z", "credential_expiries": {"config": "2000-01-01T02:00:00Z"}, "credential_expiry_of": "root at a",
  "negative_control": {"time": "2000-01-01T00:00:00Z", "refused": false},
  "valid_ratio_1h": 0, "valid_ratio_24h": 0, "observed_seconds": 60,
  "changes": [{"time": "2000-01-01T00:00:00Z", "from": "unknown", "to": "unexpected", "reason": "200 CODE", "probes": 1}],
  "history": [{"time": "2000-01-01T00:00:00Z", "state": "unexpected", "duration_seconds": 0.25,
    "phases_seconds": {"resolve": 0, "connect": 0, "tls": 0, "processing": 0.02, "transfer": 0},
    "http_status": 200, "code": "CODE", "operation_id": "op-1"}]
}, {
  "name": "nothing", "url": "https://appliance.test:9443", "api": "hcx", "module": "m", "credential": "account", "labels": {},
  "interval_seconds": 60, "timeout_seconds": 10,
  "state": "unknown", "since": null, "diagnosis": null, "advice": null, "verdict": null, "verdict_at": null,
  "last_probe": null, "last_probe_duration_seconds": null, "last_success": null, "consecutive_failures": 0,
  "next_probe": "NEXT", "last_request": null, "held_back": null, "resume_at": null, "http_status": null, "code": null, "operation_id": null,
  "session_established": null, "session_lifetime_seconds": null, "identity": null, "roles_expected": null, "clock_skew_seconds": null,
  "certificate_expiry": null, "credential_expiries": {}, "credential_expiry_of": null, "negative_control": null, "valid_ratio_1h": null, "valid_ratio_24h": null, "observed_seconds": null
}]}`
		got, expected := decode(t, response.Body.String()), decode(t, want)
		states := expected["states"].(map[string]any)
		for _, state := range sessionapi.States() {
			if _, counted := states[string(state)]; !counted {
				states[string(state)] = 0.0
			}
		}
		for _, document := range []map[string]any{got, expected} {
			for _, e := range document["endpoints"].([]any) {
				next := e.(map[string]any)
				if text, ok := next["next_probe"].(string); !ok || text == "" {
					t.Errorf("no next probe: %v", next["next_probe"])
				}
				delete(next, "next_probe") // depends on the endpoint's phase, a hash of its name
			}
		}
		if !reflect.DeepEqual(got, expected) {
			t.Errorf("got %s", response.Body)
		}
		if kind := response.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("content type %q", kind)
		}
	})
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// The JSON has the filters and sort orders of the overview, and pages only with limit.
func TestJSONSelection(t *testing.T) {
	handler := newFleet(t, 250)
	for _, tc := range []struct {
		query string
		rows  int
		first string
	}{
		{"sort=name", 250, "endpoint-00000"},
		{"state=valid&sort=name", 225, "endpoint-00001"},
		{"q=0024", 11, "endpoint-00240"},
		{"label=site%3Dsite-3&sort=name", 13, "endpoint-00003"},
		{"sort=name&limit=10&page=3", 10, "endpoint-00020"},
		{"sort=name&limit=100&page=3", 50, "endpoint-00200"},
		{"limit=100&page=4", 0, ""},
		{"limit=2&page=4611686018427387905", 0, ""}, // 2^62 pages of 2
		{"q=none", 0, ""},
	} {
		document := decode(t, send(handler, http.MethodGet, "/api/v1/endpoints?"+tc.query).Body.String())
		rows := document["endpoints"].([]any)
		if len(rows) != tc.rows || document["total"] != 250.0 {
			t.Errorf("%s: %d rows of %v", tc.query, len(rows), document["total"])
		}
		if len(rows) > 0 && rows[0].(map[string]any)["name"] != tc.first {
			t.Errorf("%s: the first is %v", tc.query, rows[0])
		}
	}
}

func TestJSONErrors(t *testing.T) {
	for query, want := range map[string]string{
		"state=none": `{"error":"unknown state \"none\""}`,
		"limit=x":    `{"error":"limit must be a number from 1 to 2147483647"}`,
		"history=0":  `{"error":"history must be a number from 1 to 100"}`,
		"changes=21": `{"error":"changes must be a number from 1 to 20"}`,
		"page=2":     `{"error":"page requires limit"}`,
	} {
		response := send(newHandler(t, newOptions()), http.MethodGet, "/api/v1/endpoints?"+query)
		if body := strings.TrimSpace(response.Body.String()); response.Code != http.StatusBadRequest || body != want || response.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, %s", query, response.Code, body)
		}
	}
}
