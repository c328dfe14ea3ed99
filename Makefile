# make build   the exporter, one static binary
# make test    everything that a change must pass; installs the tools it needs
# make demo    the exporter and simulated appliances, nothing else needed

BIN := $(CURDIR)/.bin

# Prometheus and promtool are pinned in test/go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
ALERTMANAGER_VERSION := v0.31.1
ALERTMANAGER := $(BIN)/alertmanager-$(ALERTMANAGER_VERSION)
AMTOOL := $(BIN)/amtool-$(ALERTMANAGER_VERSION)

# Set these when building from an archive, without git.
VERSION    ?= $(shell git describe --tags --dirty 2>/dev/null | sed 's/^v//' | grep . || echo 0.1.0-dev)
REVISION   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH     ?= $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
# The date of the commit, not of the build: the same commit gives the same binary.
BUILD_DATE ?= $(shell git log -1 --format=%cI 2>/dev/null | grep . || echo unknown)

VERSION_PKG := github.com/prometheus/common/version
LDFLAGS = -s -w \
	-X $(VERSION_PKG).Version=$(VERSION) \
	-X $(VERSION_PKG).Revision=$(REVISION) \
	-X $(VERSION_PKG).Branch=$(BRANCH) \
	-X $(VERSION_PKG).BuildUser=make \
	-X $(VERSION_PKG).BuildDate=$(BUILD_DATE)

# The versions of the API server and of Helm that the manifests and the chart are tested with.
KUBERNETES_VERSION := $(shell sed -n 's/^\tk8s.io.kubernetes \([^ ]*\).*/\1/p' test/kubernetes/apiserver/go.mod)
KUBE_APISERVER := $(BIN)/kube-apiserver-$(KUBERNETES_VERSION)
HELM_VERSION := $(shell sed -n 's/^\thelm.sh.helm.v3 //p' test/go.mod)
HELM := $(BIN)/helm-$(HELM_VERSION)

# Time for each target of each package; `make fuzz FUZZTIME=10m` searches longer.
FUZZTIME ?= 10s

.PHONY: build test background unit full e2e lint fmt bench soak fuzz browser servers deploy release-kubernetes tools demo clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o session_exporter .

# Tests in real time come first and alone. The end-to-end tests mostly wait, seven minutes
# for two alerts that resolve or begin to flap: those in virtual time, which a busy machine
# does not disturb, and everything else run beside them at the lowest priority.
test: tools browser
	go vet ./...
	$(MAKE) unit
	$(MAKE) -j3 --output-sync=target e2e background

background:
	nice -n 19 $(MAKE) full lint servers deploy fuzz

unit:
	go test -race -timeout 40m $(filter-out %/internal/exporter,$(shell go list ./...))

# The tests in virtual time: with the race detector, and at their full size without. The
# matcher and the tools have tests that do without.
full:
	go test -race -timeout 40m ./internal/exporter
	go test -timeout 40m ./internal/exporter -full
	go test ./probe/transport/mask
	go -C test test ./bench ./soak ./schema

# The end-to-end tests find Prometheus and Alertmanager in .bin/.
e2e: tools browser
	go -C test test -race -timeout 40m ./e2e

# Session APIs against third-party servers. Needs Node.js.
servers: test/node_modules
	go -C test test ./servers

# Requirements of the tests of the pages: a browser with a font, a proxy, and
# accessibility rules. Missing packages are installed with apt.
browser: test/node_modules
	{ test -n "$$CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || \
	{ apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation nginx-light; }

# Tests of deploy/: manifests against their real types, the Dockerfile, the
# dashboards. Needs Node.js and systemd-analyze, which is installed with apt.
deploy: test/node_modules
	command -v systemd-analyze >/dev/null || { apt-get update && apt-get install -y --no-install-recommends systemd; }
	go -C test test ./manifests
	npm --prefix test run dockerfile
	npm --prefix test run dashboards

# The chart and the manifests, installed on a Kubernetes API server. Needs kubectl; etcd is installed
# with apt. The first build takes 10 CPU minutes.
release-kubernetes: $(KUBE_APISERVER) $(HELM)
	command -v etcd >/dev/null || { apt-get update && apt-get install -y --no-install-recommends etcd-server; }
	KUBE_APISERVER=$(KUBE_APISERVER) HELM=$(HELM) go -C test test -count 1 -timeout 20m ./kubernetes

# Helm refuses charts for newer versions than the server's, which is only stamped in a release.
$(KUBE_APISERVER): KUBE_VERSION_PKG := k8s.io/component-base/version
$(KUBE_APISERVER):
	go -C test/kubernetes/apiserver build -o $@ -ldflags '-s -w -X $(KUBE_VERSION_PKG).gitVersion=$(KUBERNETES_VERSION)' k8s.io/kubernetes/cmd/kube-apiserver

$(HELM):
	GOBIN=$(BIN) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	mv $(BIN)/helm $@

test/node_modules: test/package-lock.json
	npm --prefix test ci
	@touch $@

lint: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) run
	cd test && $(GOLANGCI_LINT) run

fmt: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) fmt
	cd test && $(GOLANGCI_LINT) fmt

# The table of docs/performance.md; the output stays for benchstat to compare with.
# Each benchmark runs BENCHCOUNT times: for benchstat at least 6. It replaces the
# previous output only if all succeed: without pipefail, tee would hide a failure.
BENCHCOUNT ?= 1
bench: SHELL := bash
bench: .SHELLFLAGS := -o pipefail -c
bench:
	mkdir -p $(BIN)
	go test -run '^$$' -bench . -benchmem -timeout 60m -count $(BENCHCOUNT) ./probe ./probe/transport/http1 ./collector ./web ./internal/logging | tee $(BIN)/benchmarks.txt
	go -C test run ./bench ../docs/performance.md < $(BIN)/benchmarks.txt
	mv $(BIN)/benchmarks.txt docs/benchmarks.txt

# Ten thousand simulated appliances, in a process of their own, for half an hour.
SOAK ?= -for 30m
soak: build
	go -C test run ./soak -exporter ../session_exporter -page ../docs/performance.md $(SOAK)

# Go fuzzes one target at a time; `make -j2 fuzz` runs two. Without its limit, minimizing
# interesting inputs would take up the whole time. On a busy machine, Go may fail with
# "context deadline exceeded" when the time is over, hence the second attempt: an input that
# fails is stored in testdata, and fails again.
FUZZ_TARGET = nice go test -run '^$$' -fuzz '^$(@F)$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 20x -parallel 1 ./$(@D:fuzz/%=%)
FUZZ := $(shell grep -rEo --include='*_test.go' --exclude-dir=test '^func Fuzz[A-Za-z0-9_]+' . | \
	sed -E 's|^\./(.*)/[^/]*:func |fuzz/\1/|')
.PHONY: $(FUZZ)
fuzz: $(FUZZ)
$(FUZZ):
	$(FUZZ_TARGET) || $(FUZZ_TARGET)

# The first time takes minutes; after that Go's build cache leaves little but linking.
tools: $(BIN)/prometheus $(BIN)/promtool $(ALERTMANAGER) $(AMTOOL) $(GOLANGCI_LINT)

# remove_all_sd leaves out the service discoveries that need a cloud's SDK.
$(BIN)/prometheus $(BIN)/promtool: test/go.mod
	go -C test build -tags remove_all_sd -o $@ github.com/prometheus/prometheus/cmd/$(@F)
	@touch $@ # or it stays older than test/go.mod when there was nothing to do

# The version is in the file's name, so that only a new version installs anything.
$(GOLANGCI_LINT):
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/golangci-lint $@

$(ALERTMANAGER) $(AMTOOL):
	GOBIN=$(BIN) go install github.com/prometheus/alertmanager/cmd/$(@F:-$(ALERTMANAGER_VERSION)=)@$(ALERTMANAGER_VERSION)
	mv $(@:-$(ALERTMANAGER_VERSION)=) $@

demo:
	go run . demo

clean:
	rm -rf session_exporter .bin
