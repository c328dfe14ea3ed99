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

// exporter builds the exporter into a directory of the test, and returns the binary's path.
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
	return s
}

// checkConfig checks a configuration with the program. secrets is the prefix of the paths of
// its secret files.
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

// mounted writes the files of the Pod's ConfigMaps to where they are mounted, below root, and
// returns the directories where its Secrets are mounted. It reports mounts of single files and
// mounts that are not read-only.
func mounted(t *testing.T, objects []object, root string) (secrets []string) {
	t.Helper()
	files := map[string]map[string]string{}
	for _, config := range all[*corev1.ConfigMap](objects) {
		if files[config.Name] = config.Data; config.Immutable != nil {
			t.Errorf("the ConfigMap %s has `immutable`", config.Name)
		}
	}
	pod := onlyWorkload(t, objects)
	volumes := map[string]corev1.Volume{}
	for _, volume := range pod.template.Spec.Volumes {
		volumes[volume.Name] = volume
	}
	for _, m := range pod.container(t).VolumeMounts {
		if m.SubPath != "" || m.SubPathExpr != "" || !m.ReadOnly {
			t.Errorf("the mount is %+v, want read-only and without a subPath, whose files would never change", m)
		}
		switch volume := volumes[m.Name]; {
		case volume.ConfigMap != nil:
			if len(files[volume.ConfigMap.Name]) == 0 {
				t.Errorf("no ConfigMap %s", volume.ConfigMap.Name)
			}
			for name, text := range files[volume.ConfigMap.Name] {
				write(t, filepath.Join(root, m.MountPath, name), strings.ReplaceAll(text, "/etc/", root+"/etc/"))
			}
		case volume.Secret != nil:
			secrets = append(secrets, root+m.MountPath)
		case volume.Projected == nil:
			t.Errorf("the volume %s is %+v", m.Name, volume.VolumeSource)
		}
	}
	return secrets
}

// configFiles returns the files in root that --config.file names.
func configFiles(t *testing.T, objects []object, root string) []string {
	t.Helper()
	var files []string
	for _, argument := range onlyWorkload(t, objects).container(t).Args {
		if pattern, ok := strings.CutPrefix(argument, "--config.file="); ok {
			found, err := filepath.Glob(root + pattern)
			must(t, err)
			if len(found) == 0 {
				t.Errorf("%s matches no file of a ConfigMap", argument)
			}
			files = append(files, found...)
		}
	}
	return files
}

func TestConfigurationsAreValid(t *testing.T) {
	program := exporter(t)
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			secrets := mounted(t, objects, root)
			files := configFiles(t, objects, root)
			for _, file := range files {
				for name, credential := range parse(t, read(t, file)).Credentials {
					if !slices.Contains(secrets, filepath.Dir(credential.PasswordFile)) {
						t.Errorf("the secret of %s is %s, not in %q", name, credential.PasswordFile, secrets)
					}
					write(t, credential.PasswordFile, "secret")
				}
			}
			output, err := exec.CommandContext(t.Context(), program, append([]string{"check-config"}, files...)...).CombinedOutput()
			if err != nil || !strings.Contains(string(output), " is valid: ") {
				t.Errorf("%v: %s", err, output)
			}
		})
	}
}

// TestSecretExample: the example Secret has a key with an empty value for every secret of the
// base's configuration.
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
			t.Errorf("the secret of %s is %q (%t), want it to be present and empty, because a made-up one would be refused", name, value, ok)
		}
	}
	if len(example.StringData) != len(config.Credentials) {
		t.Errorf("the Secret has %d keys for %d credentials", len(example.StringData), len(config.Credentials))
	}
}

// TestShardsDoNotLockAccounts: the refusals of all shards together stay below the number at
// which vCenter locks an account.
func TestShardsDoNotLockAccounts(t *testing.T) {
	const lockedAfter = 5
	objects := build(t, kubernetes+"/overlays/sharded")
	shards := int(onlyWorkload(t, objects).replicas)
	for name, credential := range parse(t, only[*corev1.ConfigMap](t, objects).Data["session_exporter.yml"]).Credentials {
		refusals := 2 // by default
		if configured := credential.LockoutGuard.MaxRefusals; configured != nil {
			refusals = *configured
		}
		if shards*refusals >= lockedAfter {
			t.Errorf("%d shards may cost %s %d refused logins each, and %d lock the account", shards, name, refusals, lockedAfter)
		}
	}
}
