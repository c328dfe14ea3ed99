package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

const composeFile = repository + "/deploy/compose/compose.yaml"

// project loads the file as Docker Compose does, which validates the schema and follows all
// references.
func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{composeFile})
	must(t, err)
	loaded, err := options.LoadProject(t.Context())
	must(t, err)
	return loaded
}

// TestComposeListensOnLocalhostOnly: the services publish their ports on localhost only. Their
// images have fixed versions, and they cannot write to the host's files.
func TestComposeListensOnLocalhostOnly(t *testing.T) {
	pinned := regexp.MustCompile(`:v?\d+\.\d+\.\d+$`)
	for name, service := range project(t).Services {
		if service.Build == nil && !pinned.MatchString(service.Image) {
			t.Errorf("the image of %s is %s, which is not a fixed version", name, service.Image)
		}
		for _, p := range service.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q", name, p.HostIP)
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil || !volume.ReadOnly {
				t.Errorf("%s mounts %s, read-only: %t: %v", name, volume.Source, volume.ReadOnly, err)
			}
		}
	}
}

func TestComposeRunsTheExporterAsItsImageAllows(t *testing.T) {
	exporter := project(t).Services["session_exporter"]
	if !exporter.ReadOnly || len(exporter.CapDrop) != 1 || exporter.CapDrop[0] != "ALL" || len(exporter.Tmpfs) != 0 {
		t.Errorf("the exporter runs with read_only %t, cap_drop %v, tmpfs %v", exporter.ReadOnly, exporter.CapDrop, exporter.Tmpfs)
	}
}

// TestComposeServicesFindEachOther: Prometheus finds the exporter and Alertmanager on localhost,
// and Grafana finds Prometheus by the name of its service.
func TestComposeServicesFindEachOther(t *testing.T) {
	services := project(t).Services
	for _, name := range []string{"session_exporter", "alertmanager"} {
		if mode := services[name].NetworkMode; mode != "service:prometheus" {
			t.Errorf("the network of %s is %q", name, mode)
		}
	}
	published := map[uint32]bool{}
	for _, p := range services["prometheus"].Ports {
		published[p.Target] = true
	}
	var config struct {
		Alerting struct {
			Alertmanagers []struct {
				StaticConfigs []staticConfig `json:"static_configs"`
			} `json:"alertmanagers"`
		} `json:"alerting"`
		ScrapeConfigs []struct {
			StaticConfigs []staticConfig `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	must(t, yaml.Unmarshal([]byte(read(t, repository+"/deploy/prometheus/prometheus.yml")), &config))
	var static []staticConfig
	for _, alertmanager := range config.Alerting.Alertmanagers {
		static = append(static, alertmanager.StaticConfigs...)
	}
	for _, scrape := range config.ScrapeConfigs {
		static = append(static, scrape.StaticConfigs...)
	}
	if len(static) < 2 {
		t.Errorf("Prometheus knows %d targets, want the exporter and the Alertmanager", len(static))
	}
	for _, s := range static {
		for _, target := range s.Targets {
			if target != "localhost:10987" && target != "localhost:9093" {
				t.Errorf("Prometheus looks for %s", target)
			}
		}
	}
	var sources struct {
		Datasources []struct {
			URL string `json:"url"`
		} `json:"datasources"`
	}
	must(t, yaml.Unmarshal([]byte(read(t, repository+"/deploy/grafana/provisioning/datasources/prometheus.yml")), &sources))
	if len(sources.Datasources) != 1 || sources.Datasources[0].URL != "http://prometheus:9090" || !published[9090] {
		t.Errorf("Grafana looks for %+v", sources.Datasources)
	}
}

type staticConfig struct {
	Targets []string `json:"targets"`
}
