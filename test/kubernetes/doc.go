// Package kubernetes applies the manifests and the chart in deploy/ to a real Kubernetes API
// server, with etcd, the resource definitions of Prometheus Operator, Pod Security and the
// admission policy. Pods are not scheduled; test/manifests tests what they run.
// `make release-kubernetes` runs these tests.
package kubernetes
