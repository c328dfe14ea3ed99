package main

import (
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// exporter builds the program from this repository into a directory of the test.
func exporter(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "session_exporter")
	compile := exec.CommandContext(t.Context(), "go", "-C", repository, "build", "-o", program, ".")
	if output, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("building the exporter: %v\n%s", err, output)
	}
	return program
}

// settings is the part of a configuration that the tests need.
type settings struct {
	Credentials map[string]struct {
		PasswordFile string `json:"password_file"`
		LockoutGuard struct {
			MaxRefusals *int `json:"max_refusals"`
		} `json:"lockout_guard"`
	} `json:"credentials"`
}

func parse(t *testing.T, text string) settings {
	t.Helper()
	var s settings
	must(t, yaml.Unmarshal([]byte(text), &s))
	if len(s.Credentials) == 0 {
		t.Error("the configuration has no credentials")
	}
	return s
}

// checkConfig checks a configuration with the program; its secrets are in a directory.
func checkConfig(t *testing.T, program, text, secrets string) {
	t.Helper()
	folder := t.TempDir()
	for name, credential := range parse(t, text).Credentials {
		file, ok := strings.CutPrefix(credential.PasswordFile, secrets)
		if !ok {
			t.Errorf("the secret of %s is %s, not in %s", name, credential.PasswordFile, secrets)
		}
		write(t, filepath.Join(folder, file), "secret")
	}
	file := filepath.Join(folder, "session_exporter.yml")
	write(t, file, strings.ReplaceAll(text, secrets, folder+"/"))
	output, err := exec.CommandContext(t.Context(), program, "check-config", file).CombinedOutput()
	if err != nil || !strings.Contains(string(output), " is valid: ") {
		t.Errorf("%v: %s", err, output)
	}
}

// mount returns where a volume is mounted, and checks that it is mounted whole and
// read-only.
func mount(t *testing.T, w workload, is func(corev1.VolumeSource) bool) string {
	t.Helper()
	volumes := w.template.Spec.Volumes
	i := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return is(v.VolumeSource) })
	if i < 0 {
		t.Fatal("the Pod lacks a volume")
	}
	for _, m := range w.container(t).VolumeMounts {
		if m.Name != volumes[i].Name {
			continue
		}
		if m.SubPath != "" || m.SubPathExpr != "" || !m.ReadOnly {
			t.Errorf("the mount is %+v: with a subPath its files would never change", m)
		}
		return m.MountPath
	}
	t.Fatalf("the volume %s is not mounted", volumes[i].Name)
	return ""
}

func TestConfigurationsAreValid(t *testing.T) {
	program := exporter(t)
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			w := onlyWorkload(t, objects)
			config := only[*corev1.ConfigMap](t, objects)
			folder := mount(t, w, func(v corev1.VolumeSource) bool { return v.ConfigMap != nil && v.ConfigMap.Name == config.Name })
			secrets := mount(t, w, func(v corev1.VolumeSource) bool { return v.Secret != nil && v.Secret.SecretName == app })
			if config.Name != app || config.Immutable != nil {
				t.Errorf("the ConfigMap is called %s: another one for each configuration means another Pod", config.Name)
			}
			const flag = "--config.file="
			args := w.container(t).Args
			i := slices.IndexFunc(args, func(argument string) bool { return strings.HasPrefix(argument, flag) })
			if i < 0 {
				t.Fatalf("no %s in %q", flag, args)
			}
			file := strings.TrimPrefix(args[i], flag)
			if path.Dir(file) != folder {
				t.Errorf("the exporter reads %s, the ConfigMap is in %s", file, folder)
			}
			checkConfig(t, program, config.Data[path.Base(file)], secrets+"/")
		})
	}
}

// The example Secret has a key for every secret of the base's configuration, without
// values.
func TestSecretExample(t *testing.T) {
	example := decode(t, strictDecoder(t), []byte(read(t, kubernetes+"/base/secret.example.yaml"))).typed.(*corev1.Secret)
	objects := build(t, kubernetes+"/base")
	if len(all[*corev1.Secret](objects)) > 0 {
		t.Error("the base would overwrite the Secret")
	}
	if namespace := only[*corev1.Namespace](t, objects).Name; example.Name != app || example.Namespace != namespace || example.Immutable != nil {
		t.Errorf("the Secret is %s in %s", example.Name, example.Namespace)
	}
	config := parse(t, only[*corev1.ConfigMap](t, objects).Data["session_exporter.yml"])
	for name, credential := range config.Credentials {
		value, ok := example.StringData[path.Base(credential.PasswordFile)]
		if !ok || value != "" {
			t.Errorf("the secret of %s is %q (%t), want it there and empty: a made-up one would be refused", name, value, ok)
		}
	}
	if len(example.StringData) != len(config.Credentials) {
		t.Errorf("the Secret has %d keys for %d credentials", len(example.StringData), len(config.Credentials))
	}
}

// The refusals of all shards together stay below the number at which vCenter locks an
// account.
func TestShardsDoNotLockAccounts(t *testing.T) {
	const locks = 5
	objects := build(t, kubernetes+"/overlays/sharded")
	shards := int(onlyWorkload(t, objects).replicas)
	for name, credential := range parse(t, only[*corev1.ConfigMap](t, objects).Data["session_exporter.yml"]).Credentials {
		most := 2 // by default
		if own := credential.LockoutGuard.MaxRefusals; own != nil {
			most = *own
		}
		if shards*most >= locks {
			t.Errorf("%d shards may cost %s %d refused logins each: %d lock it", shards, name, most, locks)
		}
	}
}
