package main

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const port = 10987 // the exporter's, everywhere

// selectors returns a build's selectors of its Pod, by the object that has them.
func selectors(t *testing.T, objects []object) map[string]*metav1.LabelSelector {
	t.Helper()
	found := map[string]*metav1.LabelSelector{
		"the workload":      onlyWorkload(t, objects).selector,
		"the Service":       {MatchLabels: only[*corev1.Service](t, objects).Spec.Selector},
		"the NetworkPolicy": &only[*networkingv1.NetworkPolicy](t, objects).Spec.PodSelector,
	}
	for _, budget := range all[*policyv1.PodDisruptionBudget](objects) {
		found["the PodDisruptionBudget"] = budget.Spec.Selector
	}
	for _, constraint := range onlyWorkload(t, objects).template.Spec.TopologySpreadConstraints {
		found["the spread over nodes"] = constraint.LabelSelector
	}
	return found
}

func TestSelectorsSelect(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			pod := labels.Set(onlyWorkload(t, objects).template.Labels)
			for what, selector := range selectors(t, objects) {
				selects(t, what, selector, pod)
			}
			service := only[*corev1.Service](t, objects)
			for _, monitor := range all[*monitoringv1.ServiceMonitor](objects) {
				selects(t, "the ServiceMonitor", &monitor.Spec.Selector, labels.Set(service.Labels))
			}
		})
	}
}

// TestLabels: every object has the five standard labels, and selectors have the two that never
// change.
func TestLabels(t *testing.T) {
	const prefix = "app.kubernetes.io/"
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			manager := "kustomize"
			if strings.HasPrefix(name, "chart") {
				manager = "Helm"
			}
			check := func(what string, got map[string]string) {
				t.Helper()
				for label, want := range map[string]string{
					prefix + "name": app, prefix + "instance": app, prefix + "part-of": app, prefix + "managed-by": manager,
				} {
					if got[label] != want {
						t.Errorf("the label %s of %s is %q, want %q", label, what, got[label], want)
					}
				}
				if got[prefix+"component"] == "" {
					t.Errorf("%s has no component", what)
				}
			}
			for _, o := range objects {
				if o.text != nil { // not the Namespace and ConfigMaps that chartBuilds adds
					check(o.kind+" "+o.GetName(), o.GetLabels())
				}
			}
			check("the Pod", onlyWorkload(t, objects).template.Labels)
			for what, selector := range selectors(t, objects) {
				if want := map[string]string{prefix + "name": app, prefix + "instance": app}; !maps.Equal(selector.MatchLabels, want) {
					t.Errorf("the selector of %s is %v, want %v", what, selector.MatchLabels, want)
				}
			}
		})
	}
}

// selects reports a selector that is empty or does not match a set of labels.
func selects(t *testing.T, what string, selector *metav1.LabelSelector, set labels.Set) {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	must(t, err)
	if s.Empty() || !s.Matches(set) {
		t.Errorf("%s selects %q, not %q", what, s, set)
	}
}

func TestEverythingIsInOneNamespace(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			namespace := only[*corev1.Namespace](t, objects).Name
			for _, o := range objects {
				if o.kind != "Namespace" && o.GetNamespace() != namespace {
					t.Errorf("%s %s is in namespace %q, not %q", o.kind, o.GetName(), o.GetNamespace(), namespace)
				}
				if o.kind != "Namespace" && !strings.HasPrefix(o.GetName(), app) {
					t.Errorf("a %s is named %s", o.kind, o.GetName())
				}
			}
		})
	}
}

func TestPortsMatch(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			ports := map[string]int32{}
			container := onlyWorkload(t, objects).container(t)
			for _, p := range container.Ports {
				ports[p.Name] = p.ContainerPort
			}
			if want := map[string]int32{"http": port}; !maps.Equal(ports, want) {
				t.Errorf("the container's ports are %v, want %v", ports, want)
			}
			for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe} {
				if probe.HTTPGet != nil && ports[probe.HTTPGet.Port.String()] == 0 {
					t.Errorf("a probe uses port %s, which is not one of %v", probe.HTTPGet.Port.String(), ports)
				}
			}
			service := only[*corev1.Service](t, objects).Spec.Ports
			if len(service) != 1 || service[0].Port != port || ports[service[0].TargetPort.String()] == 0 {
				t.Errorf("the Service's ports are %v", service)
			}
			for _, monitor := range all[*monitoringv1.ServiceMonitor](objects) {
				for _, endpoint := range monitor.Spec.Endpoints {
					if endpoint.Port != service[0].Name {
						t.Errorf("the ServiceMonitor uses port %q, the Service has %q", endpoint.Port, service[0].Name)
					}
				}
			}
		})
	}
}

func TestNetworkPolicy(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			spec := only[*networkingv1.NetworkPolicy](t, objects).Spec
			if want := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}; !slices.Equal(spec.PolicyTypes, want) {
				t.Errorf("the policy types are %v, want %v", spec.PolicyTypes, want)
			}
			var in, out []int
			for _, rule := range spec.Ingress {
				in = append(in, portsOf(rule.Ports)...)
				if len(rule.From) == 0 {
					t.Error("the policy allows ingress from everywhere")
				}
			}
			for _, rule := range spec.Egress {
				out = append(out, portsOf(rule.Ports)...)
				if len(rule.To) == 0 {
					t.Error("the policy allows egress to everywhere")
				}
			}
			if want := []int{port}; !slices.Equal(in, want) {
				t.Errorf("ingress ports are %v, want %v", in, want)
			}
			if want := []int{53, 53, 443, 9443}; !slices.Equal(out, want) {
				t.Errorf("egress ports are %v, want %v", out, want)
			}
		})
	}
}

// TestEgressExcludesTheCluster: by default, egress to the cluster's own Pods and Services is not
// permitted.
func TestEgressExcludesTheCluster(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			peers := only[*networkingv1.NetworkPolicy](t, objects).Spec.Egress[1].To
			for address, want := range map[string]bool{
				"10.20.0.1": true, "172.16.0.1": true, "192.168.1.1": true, "fd12::1": true,
				"10.96.0.1": false, "10.111.255.254": false, "10.244.3.7": false, "fd00:10:96::a": false, "fd00:10:244:1::7": false,
				"169.254.169.254": false, "198.51.100.1": false,
			} {
				if name == "README" { // its networks are narrower
					want = want && address == "10.20.0.1"
				}
				if got := slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool { return permits(t, p.IPBlock, address) }); got != want {
					t.Errorf("egress to %s is permitted: %t, want %t", address, got, want)
				}
			}
		})
	}
}

func permits(t *testing.T, block *networkingv1.IPBlock, address string) bool {
	t.Helper()
	contains := func(cidr string) bool {
		prefix, err := netip.ParsePrefix(cidr)
		must(t, err)
		return prefix.Contains(netip.MustParseAddr(address))
	}
	return contains(block.CIDR) && !slices.ContainsFunc(block.Except, contains)
}

// portsOf returns the numbers of the ports.
func portsOf(ports []networkingv1.NetworkPolicyPort) []int {
	var numbers []int
	for _, p := range ports {
		numbers = append(numbers, p.Port.IntValue())
	}
	return numbers
}

// TestPodDisruptionBudgetIsForShards: only shards have a budget. For a single Pod, it would block
// every drain or have no effect.
func TestPodDisruptionBudgetIsForShards(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			budgets := all[*policyv1.PodDisruptionBudget](objects)
			sets := all[*appsv1.StatefulSet](objects)
			if len(budgets) != len(sets) {
				t.Fatalf("%d budgets and %d StatefulSets", len(budgets), len(sets))
			}
			for _, budget := range budgets {
				if unavailable := budget.Spec.MaxUnavailable; unavailable == nil || unavailable.IntValue() != 1 {
					t.Errorf("%v shards may be unavailable, want 1", unavailable)
				}
			}
		})
	}
}

// TestShardsHaveAddresses: the shards' Service is headless, so that each shard has an address of
// its own, and no address leads to a random shard.
func TestShardsHaveAddresses(t *testing.T) {
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			service := only[*corev1.Service](t, objects)
			set := onlyWorkload(t, objects).set
			headless := service.Spec.ClusterIP == corev1.ClusterIPNone
			if headless != (set != nil) {
				t.Errorf("clusterIP is %q", service.Spec.ClusterIP)
			}
			if set != nil && set.Spec.ServiceName != service.Name {
				t.Errorf("the StatefulSet's Service is %q, not %q", set.Spec.ServiceName, service.Name)
			}
		})
	}
}
