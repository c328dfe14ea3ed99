package kubernetes

import (
	"fmt"
	"strings"
	"testing"
)

const podTemplate = `{metadata: {labels: {app.kubernetes.io/name: %s}}, spec: {containers: [{name: c, image: i, args: [%s]}]}}`

func deployment(replicas int, strategy string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: default}
spec:
  replicas: %d
  strategy: {type: %s}
  selector: {matchLabels: {app.kubernetes.io/name: session-exporter}}
  template: %s
`, replicas, strategy, fmt.Sprintf(podTemplate, "session-exporter", ""))
}

func statefulSet(replicas int, name, args string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s, namespace: default}
spec:
  replicas: %d
  serviceName: s
  selector: {matchLabels: {app.kubernetes.io/name: %s}}
  template: %s
`, replicas, name, fmt.Sprintf(podTemplate, name, args))
}

// TestAdmissionPolicy: objects that let two exporters watch the same endpoints are denied,
// with a message that says what to change.
func TestAdmissionPolicy(t *testing.T) {
	for name, test := range map[string]struct{ object, denied string }{
		"one replica":                       {deployment(1, "Recreate"), ""},
		"no replica":                        {deployment(0, "Recreate"), ""},
		"two replicas":                      {deployment(2, "Recreate"), "a Deployment has one replica"},
		"rolling updates":                   {deployment(1, "RollingUpdate"), "must be Recreate"},
		"three shards":                      {statefulSet(3, "session-exporter", "--config.file=a, --shard=$(POD_INDEX)/3"), ""},
		"a single shard":                    {statefulSet(1, "session-exporter", ""), ""},
		"three replicas without shards":     {statefulSet(3, "session-exporter", ""), "needs --shard=$(POD_INDEX)/3"},
		"three replicas of four shards":     {statefulSet(3, "session-exporter", "--shard=$(POD_INDEX)/4"), "needs --shard=$(POD_INDEX)/3"},
		"three replicas of thirteen shards": {statefulSet(3, "session-exporter", "--shard=$(POD_INDEX)/13"), "needs --shard=$(POD_INDEX)/3"},
		"three replicas of another app":     {statefulSet(3, "something", ""), ""},
		"a Deployment of another app":       {strings.ReplaceAll(deployment(2, "RollingUpdate"), "app.kubernetes.io/name: session-exporter", "a: b"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			denied(t, test.denied, test.object, "create", "--dry-run=server", "-f", "-")
		})
	}
}

func TestAdmissionPolicyForScale(t *testing.T) {
	kubectl(t, deployment(1, "Recreate"), "create", "-f", "-")
	kubectl(t, statefulSet(3, "session-exporter", "--shard=$(POD_INDEX)/3"), "create", "-f", "-")
	for _, test := range []struct{ object, replicas, denied string }{
		{"deployment/d", "2", "a Deployment has one replica"},
		{"deployment/d", "0", ""},
		{"deployment/d", "1", ""},
		{"statefulset/s", "4", "shards cannot be scaled"},
		{"statefulset/s", "2", "shards cannot be scaled"},
		{"statefulset/s", "0", ""},
	} {
		denied(t, test.denied, "", "scale", "--replicas="+test.replicas, test.object)
	}
	denied(t, "a Deployment has one replica", "", "patch", "deployment", "d", "--type=merge", `--patch={"spec":{"replicas":3}}`)
	kubectl(t, "", "delete", "deployment/d", "statefulset/s")
}

// denied checks that kubectl fails with the policy's message want, or succeeds if want is
// empty.
func denied(t *testing.T, want, input string, args ...string) {
	t.Helper()
	_, err := output(t.Context(), input, "kubectl", args...)
	if want == "" && err != nil {
		t.Error(err)
	}
	if want != "" && (err == nil || !strings.Contains(err.Error(), "session_exporter: ") || !strings.Contains(err.Error(), want)) {
		t.Errorf("kubectl %s: the error is %v, want one with %q", strings.Join(args, " "), err, want)
	}
}
