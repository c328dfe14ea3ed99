package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
)

// BenchmarkLoad loads 10,000 endpoints.
func BenchmarkLoad(b *testing.B) {
	const endpoints = 10_000
	for _, files := range []int{1, 30} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			dir := b.TempDir()
			texts := make([]strings.Builder, files)
			texts[0].WriteString("credentials: {a: {token: t}}\nmodules: {m: {api: hcx, credential: a}}\n")
			for i := range texts {
				texts[i].WriteString("endpoints:\n")
			}
			for i := range endpoints {
				fmt.Fprintf(&texts[i%files], "  - {name: hcx-%05d, url: \"https://hcx-%05d.example.com:9443\", module: m, labels: {site: dublin, tier: prod}}\n", i, i)
			}
			for i := range texts {
				write(b, filepath.Join(dir, fmt.Sprintf("%02d.yml", i)), texts[i].String())
			}
			b.ReportAllocs()
			for b.Loop() {
				if settings, err := config.NewLoader(filepath.Join(dir, "*.yml")).Load(); err != nil || len(settings.Endpoints) != endpoints {
					b.Fatal(err)
				}
			}
		})
	}
}
