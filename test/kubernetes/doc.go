// Package kubernetes applies the manifests and the chart in deploy/ to a real Kubernetes API server, with etcd,
// the resource definitions of Prometheus Operator, Pod Security and the admission policy. Nothing schedules
// Pods: what a Pod does is tested in test/manifests. `make release-kubernetes` runs it.
package kubernetes
