package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// setup is what an exporter is configured for: the load, the appliances, and where to serve.
type setup struct {
	options
	row        row
	dir        string // for the exporter's files
	address    string // for the exporter to listen on
	appliances *appliances
}

// check returns the URL of an endpoint's check.
func (s *setup) check(i int) string { return s.url(s.appliances, i) + "/api/admin/v1/sessions" }

// write writes a file and returns its path.
func (s *setup) write(name, text string) (path string, err error) {
	path = filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// contender is an exporter to compare.
type contender struct {
	name                string
	binary              string // empty if it is not compared
	onDemand, scheduled bool
	// configure writes its configuration and returns its arguments.
	configure func(s *setup) (args []string, err error)
	probe     func(s *setup, i int) string // path of a probe on demand
	success   string                       // text in the response to a successful one
	// observe is called at the start of the window and at its end. It may be nil.
	observe func(pid int) error
}

// supports reports whether the exporter supports this kind of load.
func (x *contender) supports(r row) bool {
	return r.onDemand && x.onDemand || !r.onDemand && x.scheduled
}

// version returns the name with the version that follows it in the binary's file name.
func (x *contender) version() string {
	if version, ok := strings.CutPrefix(filepath.Base(x.binary), x.name+"-"); ok {
		return x.name + " " + version
	}
	return x.name
}

const (
	oursName      = "session_exporter"
	referenceName = "reference"
)

// newContenders returns all contenders. An empty path omits that exporter.
func newContenders(blackbox, jsonExporter, cloudprober, ours string) ([]contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	all := []contender{
		{name: "blackbox_exporter", binary: blackbox, onDemand: true, configure: configureBlackbox, probe: probeURL, success: "probe_success 1"},
		{name: "json_exporter", binary: jsonExporter, onDemand: true, configure: configureJSON, probe: probeURL, success: `username="monitor"`},
		{name: "cloudprober", binary: cloudprober, scheduled: true, configure: configureCloudprober},
		{name: oursName, binary: ours, onDemand: true, scheduled: true, configure: configureOurs, success: "probe_success 1", probe: func(_ *setup, i int) string {
			return fmt.Sprintf("/probe?endpoint=hcx-%05d", i)
		}},
		{name: referenceName, binary: self, onDemand: true, scheduled: true, configure: configureReference, success: `username="monitor"`, probe: func(_ *setup, i int) string {
			return fmt.Sprintf("/probe?endpoint=%d", i)
		}},
	}
	for i := range all {
		x := &all[i]
		if x.binary == "" {
			fmt.Fprintf(os.Stderr, "%s is omitted: no binary is given\n", x.name)
			continue
		}
		if x.binary, err = filepath.Abs(x.binary); err != nil {
			return nil, err
		}
		if _, err := os.Stat(x.binary); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// probeURL is the path of the multi-target exporter pattern.
func probeURL(s *setup, i int) string {
	return "/probe?module=hcx&target=" + url.QueryEscape(s.check(i))
}

func configureOurs(s *setup) ([]string, error) {
	file, err := s.write("session_exporter.yml", s.configuration(s.appliances))
	return []string{"--config.file=" + file, "--web.listen-address=" + s.address, "--log.level=error"}, err
}

func configureReference(s *setup) ([]string, error) {
	description := s.bareClient(s.address, s.appliances)
	if s.row.onDemand {
		description.Interval = 0
	}
	text, err := json.Marshal(description)
	if err != nil {
		return nil, err
	}
	file, err := s.write("reference.json", string(text))
	return []string{"-client=" + file}, err
}

// authority writes the CA's certificate to a file and returns its path.
func (s *setup) authority() (string, error) { return s.write("ca.pem", s.appliances.CA) }

func configureBlackbox(s *setup) ([]string, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	file, err := s.write("blackbox.yml", fmt.Sprintf(`modules:
  hcx:
    prober: http
    timeout: 5s
    http:
      preferred_ip_protocol: ip4
      basic_auth: {username: monitor, password: %q}
      tls_config: {ca_file: %q}
      fail_if_body_not_matches_regexp: ['"username":"monitor"']
`, password, ca))
	return []string{"--config.file=" + file, "--web.listen-address=" + s.address, "--log.level=error"}, err
}

func configureJSON(s *setup) ([]string, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	file, err := s.write("json.yml", fmt.Sprintf(`modules:
  hcx:
    http_client_config:
      basic_auth: {username: monitor, password: %q}
      tls_config: {ca_file: %q}
    metrics:
      - name: session
        type: object
        path: '{ .data.user }'
        labels: {username: '{ .username }'}
        values: {up: 1}
      - name: time
        path: '{ .time }'
`, password, ca))
	return []string{"--config.file=" + file, "--web.listen-address=" + s.address, "--log.level=error"}, err
}

// configureCloudprober configures one cloudprober probe for each port: a probe's targets
// share a port.
func configureCloudprober(s *setup) ([]string, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	address, port, _ := strings.Cut(s.address, ":")
	var b bytes.Buffer
	fmt.Fprintf(&b, "host: %q\nport: %s\nsurfacer { type: PROMETHEUS }\n", address, port)
	for i, port := range s.appliances.Ports {
		var hosts []string
		for at := i; at < s.row.endpoints; at += len(s.appliances.Ports) {
			hosts = append(hosts, host(at/len(s.appliances.Ports)))
		}
		fmt.Fprintf(&b, `probe {
  name: "site-%d" type: HTTP interval_msec: %d timeout_msec: %d
  targets { host_names: %q }
  http_probe {
    scheme: HTTPS port: %s relative_url: "/api/admin/v1/sessions" keep_alive: true
    header { key: "Authorization" value: "Basic %s" }
    tls_config { ca_cert_file: %q }
  }
  validator { name: "user" json_validator { jq_filter: ".data.user.username == \"monitor\"" } }
}
`, i, s.row.interval.Milliseconds(), min(10*time.Second, s.row.interval*2/3).Milliseconds(), strings.Join(hosts, ","), port,
			base64.StdEncoding.EncodeToString([]byte("monitor:"+password)), ca)
	}
	file, err := s.write("cloudprober.cfg", b.String())
	return []string{"--config_file=" + file, "--cloud_metadata=none", "--disable_sys_metrics"}, err
}
