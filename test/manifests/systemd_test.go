package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	systemd = repository + "/deploy/systemd"
	unit    = "session_exporter.service"
)

// installed copies the unit into a directory of its own, and returns the copy's path. The copy
// runs this test binary instead of session_exporter, because systemd-analyze would report a
// program that is not installed.
func installed(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	text := read(t, filepath.Join(systemd, unit))
	for _, setting := range []string{"\nExecStart=", "\nExecReload="} {
		if !strings.Contains(text, setting+"session_exporter ") {
			t.Errorf("the unit's %q has a path; without one, systemd finds the program wherever it is installed", setting)
		}
		text = strings.Replace(text, setting+"session_exporter ", setting+self+" ", 1)
	}
	file := filepath.Join(t.TempDir(), unit)
	write(t, file, text)
	return file
}

// verify returns the warnings of systemd-analyze, which exits with 0 despite warnings.
func verify(t *testing.T, file string) string {
	t.Helper()
	var warnings bytes.Buffer
	analyze := exec.CommandContext(t.Context(), "systemd-analyze", "verify", file)
	analyze.Stderr = &warnings
	if err := analyze.Run(); err != nil && warnings.Len() == 0 {
		t.Fatalf("this test needs systemd-analyze, from Debian's package systemd: %v", err)
	}
	return warnings.String()
}

func TestUnitIsValid(t *testing.T) {
	for name, dropIn := range map[string]string{
		"alone":              "",
		"with plain secrets": read(t, filepath.Join(systemd, "plain-secrets.conf")),
	} {
		t.Run(name, func(t *testing.T) {
			file := installed(t)
			write(t, filepath.Join(file+".d", "drop-in.conf"), dropIn)
			if warnings := verify(t, file); warnings != "" {
				t.Error(warnings)
			}
		})
	}
}

// TestUnitReloadsWhatItStarts: the check before a reload has the flags of the start, and no
// others.
func TestUnitReloadsWhatItStarts(t *testing.T) {
	text := read(t, filepath.Join(systemd, unit))
	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(text)[1]
	reload := regexp.MustCompile(`(?m)^ExecReload=(session_exporter .*)$`).FindStringSubmatch(text)[1]
	if got := strings.Replace(reload, " --config.check", "", 1); got != start || got == reload {
		t.Errorf("ExecReload= is %q, want ExecStart= with --config.check: %q", reload, start)
	}
}

func TestVerifyFindsMistakes(t *testing.T) {
	file := installed(t)
	write(t, filepath.Join(file+".d", "drop-in.conf"), "[Service]\nProtectSystem=mostly\n")
	if verify(t, file) == "" {
		t.Error("a wrong setting in a drop-in is not found")
	}
}

// TestUnitIsHardened: the exposure is at most 1.5 of 10, where systemd calls 1 to 4.9 "OK".
func TestUnitIsHardened(t *testing.T) {
	analyze := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", installed(t))
	if output, err := analyze.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestUnitsConfigurationIsValid(t *testing.T) {
	const credential = "secrets"
	if text := read(t, filepath.Join(systemd, unit)); !strings.Contains(text, "\nLoadCredential="+credential+":/etc/session_exporter/secrets\n") {
		t.Errorf("the unit does not load the directory of secrets as %q", credential)
	}
	checkConfig(t, exporter(t), read(t, filepath.Join(systemd, "session_exporter.yml")), "/run/credentials/"+unit+"/"+credential+"_")
}

// TestUnitsDefaults: the file for the unit's EnvironmentFile= has only comments, and variables
// that the unit or Go reads.
func TestUnitsDefaults(t *testing.T) {
	known := map[string]bool{"SESSION_EXPORTER_OPTS": strings.Contains(read(t, filepath.Join(systemd, unit)), "$SESSION_EXPORTER_OPTS"), "GOMEMLIMIT": true}
	for line := range strings.Lines(read(t, filepath.Join(systemd, "session_exporter.default"))) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		if !ok || !known[name] {
			t.Errorf("neither the unit nor Go reads %q", line)
		}
	}
}
