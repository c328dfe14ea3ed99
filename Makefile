# make build   the exporter, one static binary
# make test    the tests that every change must pass; installs the tools that they need
# make demo    the exporter and simulated appliances; nothing else is needed

BIN := $(CURDIR)/.bin

# Prometheus and promtool are pinned in test/go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
ALERTMANAGER_VERSION := v0.31.1
ALERTMANAGER := $(BIN)/alertmanager-$(ALERTMANAGER_VERSION)
AMTOOL := $(BIN)/amtool-$(ALERTMANAGER_VERSION)
GORELEASER_VERSION := v2.15.1
GORELEASER := $(BIN)/goreleaser-$(GORELEASER_VERSION)/goreleaser
CYCLONEDX_VERSION := v1.10.0
CYCLONEDX := $(BIN)/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod
ACTIONLINT_VERSION := v1.7.12
GOVULNCHECK_VERSION := v1.9.0
ACTIONLINT := $(BIN)/actionlint-$(ACTIONLINT_VERSION)/actionlint

# At the tag v0.1.0, and without git, the version is that of the file VERSION. At other commits, the time and hash of
# the commit follow, so that a later commit has a later version: 0.1.0+20261129082410.c17f652. With uncommitted
# changes, the version ends in .dirty.
RELEASE    := $(shell cat VERSION)
DESCRIBED  := $(shell git describe --tags --exact-match --match 'v$(RELEASE)' --dirty 2>/dev/null)
VERSION    ?= $(RELEASE)$(if $(filter v$(RELEASE),$(DESCRIBED)),,$(shell TZ=UTC0 git log -1 --date=format-local:%Y%m%d%H%M%S --format=+%cd 2>/dev/null)$(shell git describe --always --exclude '*' --dirty=.dirty 2>/dev/null | sed 's/^/./'))
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

# The versions of the API server, kubectl and Helm with which the manifests and the chart are tested.
KUBERNETES_VERSION := $(shell sed -n 's/^\tk8s.io.kubernetes \([^ ]*\).*/\1/p' test/kubernetes/apiserver/go.mod)
KUBERNETES := $(BIN)/kubernetes-$(KUBERNETES_VERSION)
HELM_VERSION := $(shell sed -n 's/^\thelm.sh.helm.v3 //p' test/go.mod)
HELM := $(BIN)/helm-$(HELM_VERSION)

# The time for each fuzz target; `make fuzz FUZZTIME=10m` searches longer.
FUZZTIME ?= 10s

.PHONY: build test background unit full e2e lint fmt bench soak compare profile fuzz browser servers deploy tools \
	licenses release release-files release-snapshot release-test release-tools release-kubernetes vulnerabilities demo clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o session_exporter .

# Some unit tests depend on real time, so these run first and alone. The end-to-end tests mostly
# wait (minutes for some alerts), so everything else runs in parallel with them, at the lowest
# priority. Most of it is tests in virtual time, which a busy machine does not disturb.
test: tools browser
	go vet ./...
	$(MAKE) unit
	$(MAKE) -j3 --output-sync=target e2e background

background:
	nice -n 19 $(MAKE) full lint servers deploy fuzz

unit:
	go test -race -timeout 40m $(filter-out %/internal/exporter,$(shell go list ./...))

# The tests of the whole exporter in virtual time: with the race detector, and at their full
# size without it. The tests of mask that are too slow with it, and those of test/bench,
# test/soak and test/schema, run without it only.
full:
	go test -race -timeout 40m ./internal/exporter
	go test -timeout 40m ./internal/exporter -full
	go test ./probe/transport/mask
	go -C test test ./bench ./soak ./schema

# The end-to-end tests find Prometheus and Alertmanager in .bin/.
e2e: tools browser
	go -C test test -race -timeout 40m ./e2e

# Tests session APIs against third-party servers. Needs Node.js.
servers: test/node_modules
	go -C test test ./servers

# Requirements of the page tests: a browser with a font, a proxy, and accessibility
# rules. Missing packages are installed with apt.
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

# The chart and the manifests, installed on a Kubernetes API server. etcd is installed with apt. The first
# build takes 10 CPU minutes.
release-kubernetes: $(KUBERNETES)/kube-apiserver $(KUBERNETES)/kubectl $(HELM)
	command -v etcd >/dev/null || { apt-get update && apt-get install -y --no-install-recommends etcd-server; }
	PATH="$(KUBERNETES):$$PATH" HELM=$(HELM) go -C test test -count 1 -timeout 20m ./kubernetes

# Helm refuses a chart whose kubeVersion is above the server's version, which a plain `go build` leaves unset.
KUBE_VERSION_PKG := k8s.io/component-base/version
$(KUBERNETES)/kube-apiserver $(KUBERNETES)/kubectl:
	go -C test/kubernetes/apiserver build -o $@ -ldflags '-s -w -X $(KUBE_VERSION_PKG).gitVersion=$(KUBERNETES_VERSION)' k8s.io/kubernetes/cmd/$(@F)

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

# Updates the table of docs/performance.md, and docs/benchmarks.txt, with which benchstat can
# compare. Each benchmark runs BENCHCOUNT times; benchstat needs at least 6. The files change
# only if all benchmarks succeed: without pipefail, tee would hide a failure.
BENCHCOUNT ?= 1
bench: SHELL := bash
bench: .SHELLFLAGS := -o pipefail -c
bench:
	mkdir -p $(BIN)
	go test -run '^$$' -bench . -benchmem -timeout 60m -count $(BENCHCOUNT) ./probe ./probe/transport/http1 ./collector ./web ./internal/logging | tee $(BIN)/benchmarks.txt
	go -C test run ./bench ../docs/performance.md < $(BIN)/benchmarks.txt
	mv $(BIN)/benchmarks.txt docs/benchmarks.txt

# Runs the exporter against 10,000 simulated appliances, which have a process of their own, for half an hour.
SOAK ?= -for 30m
soak: build
	go -C test run ./soak -exporter ../session_exporter -page ../docs/performance.md $(SOAK)

# Measures the CPU time of a probe under several loads: compare compares it with that of other
# exporters, profile shows what it is spent on. The binaries of other exporters must be in
# .bin/: see docs/performance.md.
COMPARE ?=
compare profile: build
	go -C test run ./soak -$@ -exporter ../session_exporter -page ../docs/performance.md \
		-blackbox "$(wildcard $(BIN)/blackbox_exporter-v*)" -json-exporter "$(wildcard $(BIN)/json_exporter-v*)" \
		-cloudprober "$(wildcard $(BIN)/cloudprober-v*)" $(COMPARE)

# Go fuzzes one target at a time; `make -j2 fuzz` runs two. Without -fuzzminimizetime, minimizing
# interesting inputs would take up the whole time. On a busy machine, Go may fail with
# "context deadline exceeded" when the time is over, hence the second attempt. It hides no
# failure: an input that fails is stored in testdata, and fails again.
FUZZ_TARGET = nice go test -run '^$$' -fuzz '^$(@F)$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 20x -parallel 1 ./$(@D:fuzz/%=%)
FUZZ := $(shell grep -rEo --include='*_test.go' --exclude-dir=test '^func Fuzz[A-Za-z0-9_]+' . | \
	sed -E 's|^\./(.*)/[^/]*:func |fuzz/\1/|')
.PHONY: $(FUZZ)
fuzz: $(FUZZ)
$(FUZZ):
	$(FUZZ_TARGET) || $(FUZZ_TARGET)

# The first build takes minutes; later ones mostly link, because Go caches the packages.
tools: $(BIN)/prometheus $(BIN)/promtool $(ALERTMANAGER) $(AMTOOL) $(GOLANGCI_LINT)

# remove_all_sd leaves out the service discoveries that plugins provide; those of files and HTTP remain.
$(BIN)/prometheus $(BIN)/promtool: test/go.mod
	go -C test build -tags remove_all_sd -o $@ github.com/prometheus/prometheus/cmd/$(@F)
	@touch $@ # if there was nothing to build, it would stay older than test/go.mod

# The version is in the file's name, so that only a new version installs anything.
$(GOLANGCI_LINT):
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/golangci-lint $@

$(ALERTMANAGER) $(AMTOOL):
	GOBIN=$(BIN) go install github.com/prometheus/alertmanager/cmd/$(@F:-$(ALERTMANAGER_VERSION)=)@$(ALERTMANAGER_VERSION)
	mv $(@:-$(ALERTMANAGER_VERSION)=) $@

# Builds the archives and packages of this commit in dist/. Needs no tag, and publishes nothing.
release-snapshot: release-files
	$(RELEASE_ENV) $(GORELEASER) release --snapshot --clean --skip=sign

# Publishes the release of a tag. The release workflow runs this: see docs/releasing.md.
release: release-files
	test "$(VERSION)" = "$(RELEASE)" || { echo "HEAD is not tagged v$(RELEASE) (from the file VERSION), or there are uncommitted changes" >&2; exit 1; }
	$(RELEASE_ENV) $(GORELEASER) release --clean --release-notes build/notes.md

# goreleaser finds cyclonedx-gomod in PATH.
RELEASE_ENV = PATH="$(dir $(CYCLONEDX)):$$PATH" VERSION='$(VERSION)' BUILD_DATE='$(BUILD_DATE)' COMMIT_TIME=$$(git log -1 --format=%ct) LDFLAGS='$(LDFLAGS)'

# Files of the release that are not in the repository. --no-name omits the time, so that the same commit gives
# the same file.
release-files: build licenses $(GORELEASER) $(CYCLONEDX)
	./session_exporter --help-man > build/session_exporter.1
	gzip --best --no-name --stdout build/session_exporter.1 > build/session_exporter.1.gz
	sed -n '/^## \[$(RELEASE)\]/,/^## /{/^## /d;p}' CHANGELOG.md > build/notes.md

# The licenses of Go and of the modules that are linked on any platform of a release. Each license requires that
# its text and notices accompany the binary.
LINKED := {{with .Module}}{{if .Version}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}
licenses:
	mkdir -p build
	for os in linux darwin freebsd windows; do CGO_ENABLED=0 GOOS=$$os go list -deps -f '$(LINKED)' . || exit; done > build/linked.txt
	cd "$$(go env GOROOT)" && { echo "======== Go $$(go env GOVERSION)"; cat LICENSE PATENTS; } > $(CURDIR)/build/licenses.txt
	LC_ALL=C sort -u build/linked.txt | while read -r module version dir; do cd "$$dir" && \
		find . -type f ! -name '*.go' | grep -iE '/(licen[sc]e|copying|notice|patents)[^/]*$$' | LC_ALL=C sort | \
		while read -r file; do printf '\n======== %s %s %s\n' "$$module" "$$version" "$$file"; cat "$$file"; done; done >> build/licenses.txt

# Tests the contents of a release and its installation, including on Kubernetes. Needs root, and tools that are
# installed with apt. ./release builds dist/ again, so ./container must not run at the same time.
release-test: export PATH := $(PATH):/usr/sbin:/sbin
release-test: release-kubernetes release-snapshot release-tools
	go -C test test -count 1 -timeout 30m ./release
	go -C test test -count 1 -timeout 30m ./container

release-tools: $(ACTIONLINT)
	type groff lintian mandoc rpm shellcheck zsh >/dev/null 2>&1 || \
	{ apt-get update && apt-get install -y --no-install-recommends groff lintian mandoc rpm shellcheck zsh; }
	command -v buildah >/dev/null && command -v podman >/dev/null && command -v runc >/dev/null && command -v debootstrap >/dev/null || \
	{ apt-get update && apt-get install -y --no-install-recommends buildah podman runc debootstrap; }

$(GORELEASER):
	GOBIN=$(@D) go install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)

$(CYCLONEDX):
	GOBIN=$(@D) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

$(ACTIONLINT):
	GOBIN=$(@D) go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

# Reports known vulnerabilities in code that the exporter calls. Queries vuln.go.dev.
vulnerabilities:
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

demo:
	go run . demo

clean:
	rm -rf session_exporter build dist .bin
