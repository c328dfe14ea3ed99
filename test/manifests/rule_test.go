package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrometheusRuleIsUpToDate(t *testing.T) {
	must(t, run(repository, false))
}

func TestRulesThatTheOperatorDoesNotKnowAreErrors(t *testing.T) {
	for name, test := range map[string]struct{ rules, want string }{
		"an unknown field": {"groups: [{name: x, rules: [{alert: X, expr: x, forr: 1m}]}]", `unknown field "forr"`},
		"nothing":          {"", "no `groups`"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			write(t, filepath.Join(folder, "rules.yml"), test.rules)
			if _, err := prometheusRule(folder); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestWriteAndCheck(t *testing.T) {
	root := t.TempDir()
	rules, file := filepath.Join(root, rulesFolder, "a.yml"), filepath.Join(root, ruleFile)
	write(t, rules, "groups: [{name: one, rules: [{record: x, expr: up}]}]")
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	if err := run(root, false); err == nil {
		t.Error("a file that does not exist is reported as up to date")
	}
	must(t, run(root, true))
	must(t, run(root, false))
	write(t, rules, "groups: [{name: two, rules: [{record: x, expr: up}]}]")
	if err := run(root, false); err == nil {
		t.Error("a file with other rules is reported as up to date")
	}
}
