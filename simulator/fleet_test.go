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

// probe probes a member as its module does, and returns the status of the check, or of the
// login if that fails.
func probe(t *testing.T, m *Member) int {
	t.Helper()
	base, path, tokenHeader := m.spec.basePath, "/session", drToken
	loginPath := path
	switch m.API {
	case "hcx":
		path, loginPath, tokenHeader = hcxPath, hcxPath, hcxToken
	case "hcx-hybridity":
		path, loginPath, tokenHeader = hybridityCheckPath, hybridityLoginPath, hcxToken
	}
	check := testRequest{method: "GET", path: base + path, header: map[string]string{}}
	secret := published(t, m)
	switch m.spec.module {
	case "hcx-token", "dr-token":
		check.header[tokenHeader] = secret
	case "hcx-bearer":
		check.header["Authorization"] = "Bearer " + secret
	case "hcx-basic":
		check.basic = [2]string{user, secret}
	default:
		login := testRequest{method: "POST", path: base + loginPath, basic: [2]string{user, secret}}
		if m.API != "dr" {
			login.body = `{"username":"` + user + `","password":"` + secret + `"}`
		}
		w := do(m.Appliance, login)
		token := w.Header().Get(hcxToken)
		if m.API == "dr" {
			_, rest, _ := strings.Cut(w.Body.String(), `"session_id":"`)
			token, _, _ = strings.Cut(rest, `"`)
		}
		if token == "" {
			return w.Code
		}
		check.header[tokenHeader] = token
		defer do(m.Appliance, testRequest{method: "DELETE", path: check.path, header: check.header})
	}
	return do(m.Appliance, check).Code
}

func TestFleetInitialState(t *testing.T) {
	f := newFleet(t)
	failing := map[string]int{
		"hcx-forbidden":       403,
		"hybridity-sso-unset": 500,
		"dr-wrong-password":   401,
		"dr-slots-exhausted":  503,
		"dr-behind-sso":       302,
	}
	for _, m := range f.Members() {
		want := http.StatusOK
		if status, ok := failing[m.Name]; ok {
			want = status
		}
		if got := probe(t, m); got != want {
			t.Errorf("%s: status %d, want %d", m.Name, got, want)
		}
		if m.Summary == "" || m.spec.kind == "" {
			t.Errorf("%s has no summary or kind", m.Name)
		}
	}
}

func TestFleetIsReachable(t *testing.T) {
	f := newFleet(t)
	client := newClient(t, f.ca)
	for _, m := range f.Members() {
		_, err := status(client, m.URL)
		if m.spec.expired {
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
	// The script of hcx-token-expires publishes a token immediately.
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

func TestSecretFilesArePrivate(t *testing.T) {
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
