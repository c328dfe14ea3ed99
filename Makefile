# make build   the exporter, one static binary
# make test    everything that a change must pass; installs the tools it needs
# make demo    the exporter and simulated appliances, nothing else needed

BIN := $(CURDIR)/.bin

# Prometheus and promtool are pinned in tools/go.mod.
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

# Each target of each package has this long.
FUZZTIME ?= 30s

.PHONY: build test lint fmt bench soak fuzz browser servers deploy tools demo clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o session_exporter .

# The end-to-end tests find Prometheus and its kin in .bin/; one waits for an alert
# that takes five minutes to fire. What reads hostile answers by the thousand is not
# for the race detector.
test: tools browser
	go vet ./...
	go test -race -timeout 20m ./...
	go test -run '^TestHostile' .
	$(GOLANGCI_LINT) run
	go -C tools vet ./bench
	go -C tools test ./bench
	$(MAKE) servers
	$(MAKE) deploy
	$(MAKE) fuzz

# Session APIs against servers that others wrote. Needs Node.js.
servers:
	npm --prefix tools/servers ci
	go -C tools/servers vet ./...
	go -C tools/servers test ./...

# What the end-to-end tests look at the pages with: a browser with a font, a proxy,
# and the rules of accessibility. What is missing is installed where apt can.
browser:
	{ test -n "$$CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || \
	{ apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation nginx-light; }
	npm --prefix e2e ci

# What is in deploy/: manifests against their real types, the Dockerfile, the
# dashboards. Needs Node.js and systemd-analyze, which is installed where apt can.
deploy:
	command -v systemd-analyze >/dev/null || { apt-get update && apt-get install -y --no-install-recommends systemd; }
	npm --prefix tools/manifests ci
	npm --prefix tools/manifests run lint
	go -C tools/manifests test ./...
	npm --prefix tools/grafana ci
	npm --prefix tools/grafana run check

lint: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) run

fmt: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) fmt

# The table of docs/performance.md; the output stays for benchstat to compare with.
# Each benchmark runs BENCHCOUNT times: for benchstat at least 6. It replaces what is
# there only when all have run: without pipefail, tee would end well whatever failed.
BENCHCOUNT ?= 1
bench: SHELL := bash
bench: .SHELLFLAGS := -o pipefail -c
bench:
	mkdir -p $(BIN)
	go test -run '^$$' -bench . -benchmem -timeout 60m -count $(BENCHCOUNT) ./probe ./probe/direct ./collector ./web . | tee $(BIN)/benchmarks.txt
	go -C tools run ./bench ../docs/performance.md < $(BIN)/benchmarks.txt
	mv $(BIN)/benchmarks.txt docs/benchmarks.txt

# Ten thousand simulated appliances, in a process of their own, for half an hour.
SOAK ?= -for 30m
soak: build
	go run ./soak -exporter ./session_exporter -page docs/performance.md $(SOAK)

# go test fuzzes one target at a time. It would spend all of that on making the texts
# shorter that reach something new, were it not told how often to try.
fuzz:
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|/[^/]*:func | |' | \
	while read -r dir target; do \
		echo "$$dir $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$dir" </dev/null || exit 1; \
	done

# The first time takes minutes; after that Go's build cache leaves little but linking.
tools: $(BIN)/prometheus $(BIN)/promtool $(ALERTMANAGER) $(AMTOOL) $(GOLANGCI_LINT)

# remove_all_sd leaves out the service discoveries that need a cloud's SDK.
$(BIN)/prometheus $(BIN)/promtool: tools/go.mod
	go -C tools build -tags remove_all_sd -o $@ github.com/prometheus/prometheus/cmd/$(@F)
	@touch $@ # or it stays older than tools/go.mod when there was nothing to do

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
