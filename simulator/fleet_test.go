package simulator

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

func newFleet(t *testing.T) *Fleet {
	t.Helper()
	f, err := NewFleet(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func member(t *testing.T, f *Fleet, name string) *Member {
	t.Helper()
	i := slices.IndexFunc(f.Members(), func(m *Member) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no member is named %s", name)
	}
	return f.Members()[i]
}

// published reads a member's secret as the exporter does.
func published(t *testing.T, m *Member) string {
	t.Helper()
	secret, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(secret))
}

// probe is one probe of a member the way its module does it, as the status of
// the answer that decides.
func probe(t *testing.T, m *Member) int {
	t.Helper()
	base, path, tokenHeader := m.part.base, "/session", drToken
	if m.API == "hcx" {
		path, tokenHeader = hcxPath, hcxToken
	}
	check := query{method: "GET", path: base + path, header: map[string]string{}}
	secret := published(t, m)
	switch m.part.module {
	case "hcx-token", "dr-token":
		check.header[tokenHeader] = secret
	case "hcx-bearer":
		check.header["Authorization"] = "Bearer " + secret
	case "hcx-basic":
		check.basic = [2]string{user, secret}
	default:
		login := query{method: "POST", path: base + path, basic: [2]string{user, secret}}
		if m.API == "hcx" {
			login.body = `{"username":"` + user + `","password":"` + secret + `"}`
		}
		w := ask(m.Appliance, login)
		token := w.Header().Get(hcxToken)
		if m.API == "dr" {
			_, rest, _ := strings.Cut(w.Body.String(), `"session_id":"`)
			token, _, _ = strings.Cut(rest, `"`)
		}
		if token == "" {
			return w.Code
		}
		check.header[tokenHeader] = token
		defer ask(m.Appliance, query{method: "DELETE", path: check.path, header: check.header})
	}
	return ask(m.Appliance, check).Code
}

func TestFleetAtFirst(t *testing.T) {
	f := newFleet(t)
	odd := map[string]int{
		"hcx-forbidden":      403,
		"dr-wrong-password":  401,
		"dr-slots-exhausted": 503,
		"dr-behind-sso":      302,
	}
	for _, m := range f.Members() {
		want := http.StatusOK
		if status, ok := odd[m.Name]; ok {
			want = status
		}
		if got := probe(t, m); got != want {
			t.Errorf("%s answers %d, want %d", m.Name, got, want)
		}
		if m.Story == "" || m.part.kind == "" {
			t.Errorf("%s has no story or kind", m.Name)
		}
	}
}

func TestFleetIsReachable(t *testing.T) {
	f := newFleet(t)
	client := trusting(t, f.ca)
	for _, m := range f.Members() {
		_, err := status(client, m.URL)
		if m.part.expired {
			if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || invalid.Reason != x509.Expired {
				t.Errorf("%s: error %v, want an expired certificate", m.Name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

func TestRunReportsAStepThatFails(t *testing.T) {
	f, err := NewFleet(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	// hcx-token-expires publishes a token at once.
	if err := f.Run(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "hcx-token-expires") {
		t.Errorf("error %v, want one about the file of hcx-token-expires", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newFleet(t).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestSecretFilesAreTheirOwners(t *testing.T) {
	f := newFleet(t)
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", entry.Name(), info.Mode())
		}
	}
}
