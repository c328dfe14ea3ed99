package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// workload is what a Deployment and a StatefulSet share.
type workload struct {
	name     string
	replicas int32
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
	set      *appsv1.StatefulSet // nil for a Deployment
}

// onlyWorkload returns the build's only Deployment or StatefulSet.
func onlyWorkload(t *testing.T, objects []object) workload {
	t.Helper()
	if sets := all[*appsv1.StatefulSet](objects); len(sets) > 0 {
		if n := len(all[*appsv1.Deployment](objects)); n > 0 {
			t.Fatalf("a StatefulSet and %d Deployments", n)
		}
		set := only[*appsv1.StatefulSet](t, objects)
		return workload{set.Name, *set.Spec.Replicas, set.Spec.Selector, set.Spec.Template, set}
	}
	deployment := only[*appsv1.Deployment](t, objects)
	if strategy := deployment.Spec.Strategy.Type; strategy != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("the strategy is %q, with which two exporters use the same accounts during an update", strategy)
	}
	return workload{deployment.Name, *deployment.Spec.Replicas, deployment.Spec.Selector, deployment.Spec.Template, nil}
}

// container returns the Pod's only container.
func (w workload) container(t *testing.T) corev1.Container {
	t.Helper()
	if n := len(w.template.Spec.Containers); n != 1 {
		t.Fatalf("the Pod has %d containers, want 1", n)
	}
	return w.template.Spec.Containers[0]
}

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	must(t, err)
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			pod := onlyWorkload(t, objects).template
			for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
				if !result.Allowed {
					t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
			namespace := only[*corev1.Namespace](t, objects)
			if level := namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
				t.Errorf("the namespace enforces %q", level)
			}
		})
	}
}

// TestPodSettings checks what the restricted standard does not require: further restrictions, a
// fixed image, and resources.
func TestPodSettings(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			pod := onlyWorkload(t, objects).template.Spec
			container := onlyWorkload(t, objects).container(t)
			account := only[*corev1.ServiceAccount](t, objects)
			image := strings.TrimPrefix(container.Image, "ghcr.io/session-exporter/session_exporter:")
			for what, right := range map[string]bool{
				"a read-only root file system":          *container.SecurityContext.ReadOnlyRootFilesystem,
				"the image's user":                      *pod.SecurityContext.RunAsUser == 65532 && *pod.SecurityContext.RunAsGroup == 65532,
				"a group that may read its volumes":     *pod.SecurityContext.FSGroup == 65532,
				"no token of a service account":         !*pod.AutomountServiceAccountToken,
				"an account whose token is not mounted": !*account.AutomountServiceAccountToken,
				"its own account":                       pod.ServiceAccountName == account.Name,
				"no variables for Services":             !*pod.EnableServiceLinks,
				"an image of a fixed version":           image != container.Image && image != "" && image != "latest",
				"enough time to log out":                *pod.TerminationGracePeriodSeconds > 5,
				"a request for CPU":                     !container.Resources.Requests.Cpu().IsZero(),
				"a request for memory":                  !container.Resources.Requests.Memory().IsZero(),
				"a request for ephemeral storage":       !container.Resources.Requests.StorageEphemeral().IsZero(),
				"an ephemeral storage limit":            container.Resources.Limits.StorageEphemeral().Cmp(*container.Resources.Requests.StorageEphemeral()) > 0,
				"a memory limit":                        container.Resources.Limits.Memory().Cmp(*container.Resources.Requests.Memory()) > 0,
				"no CPU limit, which would slow probes": container.Resources.Limits.Cpu().IsZero(),
			} {
				if !right {
					t.Errorf("the Pod must have %s", what)
				}
			}
		})
	}
}

func TestGoKnowsTheMemoryLimit(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			container := onlyWorkload(t, objects).container(t)
			env := map[string]corev1.EnvVar{}
			for _, variable := range container.Env {
				env[variable.Name] = variable
			}
			source := env["MEMORY_LIMIT_MIB"].ValueFrom
			if source == nil || source.ResourceFieldRef == nil {
				t.Fatal("no variable has the memory limit")
			}
			if field := *source.ResourceFieldRef; field.Resource != "limits.memory" || field.Divisor.String() != "1Mi" || field.ContainerName != container.Name {
				t.Errorf("the limit's variable is from %+v", field)
			}
			mebibytes := container.Resources.Limits.Memory().Value() >> 20
			var limit int64
			_, err := fmt.Sscan(strings.ReplaceAll(env["GOMEMLIMIT"].Value, "$(MEMORY_LIMIT_MIB)", fmt.Sprint(mebibytes)), &limit)
			must(t, err)
			if share := float64(limit) / float64(mebibytes<<20); share < 0.9 || share > 0.96 {
				t.Errorf("GOMEMLIMIT is %.3f of the limit", share)
			}
		})
	}
}

func TestStatefulSetRunsAllShards(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			w := onlyWorkload(t, objects)
			shard := ""
			for _, argument := range w.container(t).Args {
				if value, ok := strings.CutPrefix(argument, "--shard="); ok {
					shard = value
				}
			}
			if w.set == nil {
				if w.replicas != 1 || shard != "" {
					t.Errorf("%d replicas of the Deployment watch the shard %q, want one that watches all endpoints", w.replicas, shard)
				}
				return
			}
			if want := fmt.Sprintf("$(POD_INDEX)/%d", w.replicas); shard != want {
				t.Errorf("--shard=%s, want %s", shard, want)
			}
			for _, variable := range w.container(t).Env {
				if variable.Name == "POD_INDEX" && variable.ValueFrom.FieldRef.FieldPath == fmt.Sprintf("metadata.labels['%s']", appsv1.PodIndexLabel) {
					return
				}
			}
			t.Error("POD_INDEX is not the Pod's index")
		})
	}
}

// TestShardMemoryLimitSuffices: a shard's memory limit is at least 1.5 times its measured use,
// because an exporter that the kernel kills leaves its sessions on the appliances.
func TestShardMemoryLimitSuffices(t *testing.T) {
	const hanging = 180 << 20 // additional use while half of the appliances hang
	soak := regexp.MustCompile(`(?s)\| endpoints, .*? \| (\d+) \|.*\| resident memory at the start, maximum \| \d+, (\d+) MiB \|`)
	found := soak.FindStringSubmatch(read(t, repository+"/docs/performance.md"))
	if len(found) == 0 || found[1] != "10000" {
		t.Fatalf("docs/performance.md has no run with 10,000 endpoints, the size of a shard: %q", found)
	}
	mebibytes, err := strconv.ParseInt(found[2], 10, 64)
	must(t, err)
	for _, name := range []string{"sharded", "README-shards"} {
		container := onlyWorkload(t, builds(t)[name]).container(t)
		limit := container.Resources.Limits.Memory().Value()
		if want := (mebibytes<<20 + hanging) * 3 / 2; limit < want {
			t.Errorf("%s: a shard has a limit of %d MiB, want 1.5 times its use, %d MiB", name, limit>>20, want>>20)
		}
	}
}
