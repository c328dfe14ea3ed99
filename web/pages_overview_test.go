package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
	"session_exporter/web/page"
)

// The cost of a page depends on the rows that it shows: ten thousand endpoints cause hardly
// more allocations than two hundred.
func TestOverviewAllocations(t *testing.T) {
	work := func(endpoints int) float64 {
		handler := newFleet(t, endpoints)
		return testing.AllocsPerRun(3, func() { send(handler, http.MethodGet, "/?sort=-latency") })
	}
	few, many := work(200), work(10_000)
	if many > few+2_000 {
		t.Errorf("%g allocations for 200 endpoints, %g for 10,000", few, many)
	}
}

// Among many endpoints, a hundred similar ones or more share a row that leads to them.
// Endpoints with a credential of their own are similar if their state is the same.
func TestGroups(t *testing.T) {
	s := &site{}
	add := func(n int, prefix, module, credential string, state sessionapi.State) {
		for i := range n {
			e := s.add(fmt.Sprintf("%s-%03d", prefix, i), &probe.Result{State: state, Diagnosis: "Found."})
			e.Module = module
			e.Credential = &config.Credential{Name: strings.ReplaceAll(credential, "#", strconv.Itoa(i))}
		}
	}
	add(200, "ok-hcx", "hcx", "shared", sessionapi.Valid)
	add(150, "ok-dr", "dr", "shared", sessionapi.Valid)
	add(120, "own", "hcx", "own-#", sessionapi.CredentialsRejected)
	add(99, "down", "hcx", "shared", sessionapi.Unreachable)
	handler := s.handler(t)

	page := openPage(t, handler, "/")
	if got := page.withID("summary").text(); got != "1 to 100 of 569 endpoints in 102 rows" {
		t.Errorf("summary %q", got)
	}
	if names := page.names(); len(names) != 99 {
		t.Errorf("%d single rows", len(names))
	}
	last := openPage(t, handler, "/?page=2")
	var groups []string
	for _, row := range append(groupRows(page), groupRows(last)...) {
		groups = append(groups, row.text())
		link, _ := row.all("a", "class")[0].attribute("href")
		members := openPage(t, handler, "/"+strings.TrimPrefix(link, "./"))
		if rows := groupRows(members); len(rows) > 0 || len(members.names()) != 100 {
			t.Errorf("%s has %d rows, %d of them groups", link, len(members.names()), len(rows))
		}
	}
	for i, want := range []string{
		"credentials_rejected 120 endpoints 120 of them rejected the secret The login was refused. Runbook own-000 , own-001 , own-002 and 117 more",
		"valid 150 endpoints credential shared module dr ", "valid 200 endpoints credential shared module hcx ",
	} {
		if len(groups) != 3 || !strings.HasPrefix(groups[i], want) {
			t.Fatalf("groups %q, want %q", groups, want)
		}
	}
	for query, rows := range map[string]int{"sort=name": 100, "group=none": 100, "state=valid": 100, "credential=shared&module=dr": 100} {
		if page := openPage(t, handler, "/?"+query); len(page.names()) != rows || len(groupRows(page)) > 0 {
			t.Errorf("%s: %d rows, %d groups", query, len(page.names()), len(groupRows(page)))
		}
	}
}

func groupRows(page document) (rows []document) {
	for _, row := range page.all("tr", "class") {
		if class, _ := row.attribute("class"); class == "row group" {
			rows = append(rows, row)
		}
	}
	return rows
}

// Of many suspended credentials, those with the most endpoints are explained.
func TestManySuspended(t *testing.T) {
	s := &site{}
	for i := range 6 {
		credential := fmt.Sprintf("c%d", i)
		s.credentials = append(s.credentials, probe.CredentialStatus{Name: credential, Suspended: i > 0})
		for n := range i + 1 {
			e := s.add(fmt.Sprintf("e%d-%d", i, n), &probe.Result{State: sessionapi.LoginSuspended, HeldCredential: credential, Diagnosis: "Held back with " + credential + "."})
			e.Credential = &config.Credential{Name: credential}
		}
	}
	handler := s.handler(t)
	suspended := openPage(t, handler, "/").withID("suspended")
	text := suspended.text()
	for _, want := range []string{"logins with c5 held back Held back with c5. The credential is used by 6 endpoints", "Held back with c4.", "Held back with c3.", "Logins with 2 more credentials are held back."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if n := len(suspended.all("form", "")); n != 3 || strings.Contains(text, "c2") {
		t.Errorf("%d credentials: %s", n, text)
	}
	for i, want := range []int{6, 5, 4, 21} {
		link, _ := suspended.all("a", "href")[i].attribute("href")
		if got := len(openPage(t, handler, "/"+strings.TrimPrefix(link, "./")).names()); got != want {
			t.Errorf("%s has %d endpoints, want %d", link, got, want)
		}
	}
}

// The row of a valid endpoint has no diagnosis, unless it is the only endpoint.
func TestBriefRows(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: sessionapi.Valid, Diagnosis: "Logged in as \"monitor\"."})
	if page := openPage(t, s.handler(t), "/"); !strings.Contains(page.withID("results").text(), "Logged in as") {
		t.Errorf("one endpoint: %s", page.text())
	}
	s.add("b", &probe.Result{State: sessionapi.Timeout, Diagnosis: "No response."})
	text := openPage(t, s.handler(t), "/").withID("results").text()
	if strings.Contains(text, "Logged in as") || !strings.Contains(text, "No response.") {
		t.Errorf("two endpoints: %s", text)
	}
}

// A page without endpoints says which file was read and what to add.
func TestNoEndpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		settings config.Config
		want     []string
	}{
		"file":  {config.Config{Name: "/etc/x.yml"}, []string{"No endpoints yet", "/etc/x.yml", "check-config", "password_file: /run/secrets/hcx"}},
		"shard": {config.Config{Name: "/etc/x.yml", Shard: config.Shard{Index: 1, Count: 3}}, []string{"No endpoint belongs to shard 1/3", "/etc/x.yml", "belong to other shards"}},
	} {
		o := newOptions()
		if err := o.Collector.Apply(&tc.settings, (&site{}).prober); err != nil {
			t.Fatal(err)
		}
		text := openPage(t, newHandler(t, o), "/").withID("results").text()
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", name, want, text)
			}
		}
	}
}

// After its own refusal an endpoint is red, with the time left; an endpoint that only
// shares the account is violet.
func TestRejectedPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
		until := time.Now().Add(19*time.Minute + 10*time.Second)
		s.add("culprit", &probe.Result{State: sessionapi.CredentialsRejected, HeldUntil: until, Steps: []probe.StepResult{{Step: sessionapi.Login, Status: 401}}})
		s.add("victim", &probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account", ResumeAt: until})
		o := s.options(t)
		handler := newHandler(t, o)
		if text := openPage(t, handler, "/?q=culprit").withID("suspended").text(); !strings.Contains(text, "account held back for another 19 min") {
			t.Errorf("suspended: %s", text)
		}
		const says = "password rejected · logins held back for another 19 min"
		check := func(state, kind string) {
			t.Helper()
			for _, path := range []string{"/?q=culprit", "/endpoints/culprit"} {
				page := openPage(t, handler, path)
				if text := page.text(); !strings.Contains(text, says) || !strings.Contains(text, state) {
					t.Errorf("%s in %s: %s", path, state, text)
				}
				if badge := badgeOf(page); badge != "badge k-refused" {
					t.Errorf("%s in %s: %s", path, state, badge)
				}
			}
			page := openPage(t, handler, "/?q=victim")
			if text, badge := page.withID("results").text(), badgeOf(page); badge != "badge k-held" || strings.Contains(text, "rejected") {
				t.Errorf("the other endpoint has the %s: %s", badge, text)
			}
			for _, link := range page.withID("counts").all("a", "class") {
				if class, _ := link.attribute("class"); strings.HasSuffix(link.text(), "login_suspended") && class != "count k-"+kind {
					t.Errorf("in %s, the count has %s", state, class)
				}
			}
		}
		check("credentials_rejected", "held")
		s.results["culprit"] = &probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account", RefusedBefore: true, ResumeAt: until}
		s.endpoints[0] = clone(s.endpoints[0]) // gets a new prober, and keeps its state
		if err := o.Collector.Apply(&config.Config{Endpoints: s.endpoints}, s.prober); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Collector.Probe(t.Context(), "culprit", collector.RequestOptions{}); err != nil {
			t.Fatal(err)
		}
		check("login_suspended", "refused")
	})
}

func clone(e *config.Endpoint) *config.Endpoint {
	c := *e
	c.Timeout--
	return &c
}

func badgeOf(page document) string {
	for _, span := range page.all("span", "class") {
		if class, _ := span.attribute("class"); strings.HasPrefix(class, "badge ") {
			return class
		}
	}
	return ""
}

// Names are isolated in bdi elements, and directional overrides in them are replaced.
func TestDirections(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "حساب", Suspended: true}}}
	for _, name := range []string{"موقع-الرياض", "a\u202eoverride"} {
		e := s.add(name, &probe.Result{State: sessionapi.Unexpected, Diagnosis: `Logged in as "مدير" (401).`, Identity: &sessionapi.Identity{Username: "مدير"}})
		e.Labels = map[string]string{"site": "دبي"}
		e.Credential = &config.Credential{Name: "حساب"}
	}
	handler := s.handler(t)
	for path, want := range map[string][]string{
		"/": {"موقع-الرياض", "a\ufffdoverride", "دبي", "مدير", "حساب"},
		"/" + page.EndpointLink("موقع-الرياض"): {"موقع-الرياض", "دبي", "مدير", "حساب"},
	} {
		var isolated []string
		page := openPage(t, handler, path)
		for _, element := range page.all("bdi", "") {
			isolated = append(isolated, element.text())
		}
		for _, text := range want {
			if !slices.Contains(isolated, text) {
				t.Errorf("%s: %q is not among %q", path, text, isolated)
			}
		}
		if text := page.text(); strings.Contains(text, "\u202e") {
			t.Errorf("%s shows an override: %q", path, text)
		}
	}
}

func BenchmarkOverview(b *testing.B) {
	for _, query := range []string{"", "?q=site-7+endpoint", "?sort=name&page=50", "?state=failing&label=site=site-7"} {
		b.Run("10000"+query, func(b *testing.B) {
			handler := newFleet(b, 10_000)
			b.ReportAllocs()
			for b.Loop() {
				send(handler, http.MethodGet, "/"+query)
			}
		})
	}
}

// newFleet returns a handler with many endpoints, a tenth of which fail.
func newFleet(tb testing.TB, endpoints int) http.Handler {
	tb.Helper()
	s := &site{}
	for i := range endpoints {
		result := &probe.Result{State: sessionapi.Valid, Diagnosis: "The session is valid.", Duration: time.Duration(i) * time.Microsecond, Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200}}}
		if i%10 == 0 {
			result.State = sessionapi.Unreachable
		}
		s.add(fmt.Sprintf("endpoint-%05d", i), result).Labels = map[string]string{"site": fmt.Sprintf("site-%d", i%20)}
	}
	return s.handler(tb)
}
