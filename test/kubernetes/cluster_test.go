package kubernetes

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	deployed = "../../deploy/"
	operator = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/"
)

// kubeconfig is the file with the address of the API server.
var kubeconfig string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run starts the API server, runs the tests, and stops the server.
func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "kubernetes")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop, err := startCluster(ctx, dir)
	defer stop()
	if err != nil {
		return 0, err
	}
	if err := prepare(ctx, dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// startCluster starts etcd and the API server, writes the kubeconfig, and waits until the
// server is ready. The caller must call stop even after an error.
func startCluster(ctx context.Context, dir string) (stop func(), err error) {
	var processes []*exec.Cmd
	stop = func() {
		for _, process := range processes {
			_ = process.Process.Kill()
			_ = process.Wait()
		}
	}
	start := func(program string, args ...string) error {
		process := exec.CommandContext(ctx, program, args...)
		log, err := os.Create(filepath.Join(dir, filepath.Base(program)+".log"))
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }() // the process has its own descriptor
		process.Stdout, process.Stderr = log, log
		if err := process.Start(); err != nil {
			return err
		}
		processes = append(processes, process)
		return nil
	}
	ports, err := freePorts(3)
	if err != nil {
		return stop, err
	}
	etcd := "http://" + ports[0]
	if err := start("etcd", "--data-dir="+filepath.Join(dir, "etcd"), "--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls=http://"+ports[1], "--initial-advertise-peer-urls=http://"+ports[1], "--initial-cluster=default=http://"+ports[1]); err != nil {
		return stop, fmt.Errorf("these tests need etcd, from Debian's package etcd-server: %w", err)
	}
	key, token := filepath.Join(dir, "service-accounts.pem"), rand.Text()
	if err := writeKey(key); err != nil {
		return stop, err
	}
	tokens := filepath.Join(dir, "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return stop, err
	}
	host, port, err := net.SplitHostPort(ports[2])
	if err != nil {
		return stop, err
	}
	if err := start("kube-apiserver", "--etcd-servers="+etcd, "--bind-address="+host, "--secure-port="+port,
		"--cert-dir="+filepath.Join(dir, "certificates"), "--token-auth-file="+tokens, "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-signing-key-file="+key, "--service-account-key-file="+key,
		"--service-cluster-ip-range=10.96.0.0/12", "--endpoint-reconciler-type=none"); err != nil {
		return stop, fmt.Errorf("this needs kube-apiserver, which `make release-kubernetes` builds: %w", err)
	}
	kubeconfig = filepath.Join(dir, "kubeconfig")
	config := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: admin}}]
clusters: [{name: test, cluster: {server: "https://%s", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: %s}}]
`, ports[2], token)
	if err := os.WriteFile(kubeconfig, []byte(config), 0o600); err != nil {
		return stop, err
	}
	return stop, await(ctx, func() error {
		_, err := output(ctx, "", "kubectl", "get", "--raw", "/readyz")
		return err
	})
}

// prepare installs what a cluster has before the exporter: Prometheus Operator's resource
// definitions, and the admission policy.
func prepare(ctx context.Context, dir string) error {
	definitions := filepath.Join(dir, "definitions")
	if _, err := output(ctx, "", "go", "tool", "controller-gen", "crd", "paths="+operator+"v1", "paths="+operator+"v1alpha1", "output:crd:dir="+definitions); err != nil {
		return err
	}
	for _, resource := range []string{"servicemonitors", "prometheusrules", "scrapeconfigs"} {
		// Too large for the annotation of a client-side apply.
		if _, err := output(ctx, "", "kubectl", "apply", "--server-side", "-f", filepath.Join(definitions, "monitoring.coreos.com_"+resource+".yaml")); err != nil {
			return err
		}
	}
	// `kubectl wait` fails for a definition that has no status yet, so repeat it.
	if err := await(ctx, func() error {
		_, err := output(ctx, "", "kubectl", "wait", "--for=condition=Established", "--timeout=1m", "crd", "--all")
		return err
	}); err != nil {
		return err
	}
	if _, err := output(ctx, "", "kubectl", "apply", "-k", deployed+"k8s/admission-policy"); err != nil {
		return err
	}
	// The policy takes effect some time after it was applied.
	return await(ctx, func() error {
		_, err := output(ctx, deployment(2, "Recreate"), "kubectl", "create", "--dry-run=server", "-f", "-")
		if err == nil {
			return errors.New("the admission policy has no effect: it permits two replicas")
		}
		if !strings.Contains(err.Error(), "a Deployment has one replica") {
			return err
		}
		return nil
	})
}

// await repeats check until it succeeds.
func await(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// output runs a program with the kubeconfig, and returns what it writes to both outputs.
// Warnings of the API server are errors.
func output(ctx context.Context, input, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Stdin = strings.NewReader(input)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HELM_CACHE_HOME=/nonexistent", "HELM_CONFIG_HOME=/nonexistent")
	var both bytes.Buffer
	command.Stdout, command.Stderr = &both, &both
	err := command.Run()
	if err == nil && strings.Contains(both.String(), "Warning: ") {
		err = fmt.Errorf("the API server warns")
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, both.String())
	}
	return both.String(), nil
}

// kubectl runs kubectl, which must succeed.
func kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	text, err := output(t.Context(), input, "kubectl", args...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// restricted creates a namespace that enforces the Pod Security Standard `restricted`.
func restricted(t *testing.T, name string) {
	t.Helper()
	kubectl(t, fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}
`, name), "create", "-f", "-")
}

// freePorts returns addresses on localhost that are not in use.
func freePorts(n int) ([]string, error) {
	var listeners []net.Listener
	defer func() {
		for _, listener := range listeners {
			_ = listener.Close() // all at the end, so that the addresses differ
		}
	}()
	var addresses []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, listener)
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

// writeKey writes a key for service account tokens. The API server requires one, although no
// test uses such a token.
func writeKey(file string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return os.WriteFile(file, block, 0o600)
}
