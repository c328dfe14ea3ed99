// Command manifests generates the PrometheusRule for Prometheus Operator from the rule files that
// Prometheus itself loads. Its tests check everything else in deploy/ that Kubernetes, container
// engines and systemd read, and the Dockerfile.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", "..", "directory of the repository")
	write := flag.Bool("write", false, "write the PrometheusRule; without it, only report whether it is out of date")
	flag.Parse()
	if err := run(*root, *write); err != nil {
		fmt.Fprintf(os.Stderr, "manifests: %v\n", err)
		os.Exit(1)
	}
}

func run(root string, write bool) error {
	rule, err := prometheusRule(filepath.Join(root, rulesFolder))
	if err != nil {
		return err
	}
	file := filepath.Join(root, ruleFile)
	if write {
		return os.WriteFile(file, rule, 0o644) //nolint:gosec // a manifest, readable by everyone
	}
	present, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(present, rule) {
		return fmt.Errorf("%s is out of date with %s; run `go -C test run ./manifests -write`", ruleFile, rulesFolder)
	}
	return nil
}
