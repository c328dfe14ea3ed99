package collector

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/config"
)

func TestSeriesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(string(expose(t, everything(t), textFormat))) {
		series := line[:strings.LastIndex(line, " ")]
		if !strings.HasPrefix(line, "#") && seen[series] {
			t.Errorf("%s is exposed twice", series)
		}
		seen[series] = true
	}
}

// The formats prescribe no order, but client_golang sorts the labels.
func TestLabelsAreSorted(t *testing.T) {
	c := everything(t)
	families, err := c.Endpoints().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if !slices.IsSortedFunc(m.GetLabel(), func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) }) {
				t.Errorf("labels %v", m.GetLabel())
			}
		}
	}
}

func TestProtobuf(t *testing.T) {
	decoder := expfmt.NewDecoder(bytes.NewReader(expose(t, everything(t), protobufFormat)), protobufFormat)
	families := 0
	for {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		families++
		if family.GetName() != "session_probe_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if valuesOf(metric)["endpoint"] != "valid" {
				continue
			}
			h := metric.GetHistogram()
			if h.GetSampleCount() != 1 || h.GetSampleSum() != 0.15 || len(h.GetBucket()) != 11 {
				t.Errorf("the classic histogram is %v", h)
			}
			// 0.15 s, in buckets that grow by 2^(1/8): the 21st below 1 s.
			if h.GetSchema() != 3 || len(h.GetPositiveSpan()) != 1 || h.GetPositiveSpan()[0].GetOffset() != -21 || h.GetPositiveDelta()[0] != 1 {
				t.Errorf("the native histogram is of schema %d: %v, %v", h.GetSchema(), h.GetPositiveSpan(), h.GetPositiveDelta())
			}
			exemplar := h.GetBucket()[5].GetExemplar()
			if len(exemplar.GetLabel()) != 1 || exemplar.GetLabel()[0].GetName() != "transactionId" {
				t.Errorf("the exemplar is %v", exemplar)
			}
		}
	}
	if want := len(promised) + len(promisedOwn); families != want {
		t.Errorf("%d families, want %d", families, want)
	}
}

// Scrapes run while probes are recorded and a configuration is applied. All samples of an
// endpoint share its label pairs, which must not be written to.
func TestScrapesWhileRecording(t *testing.T) {
	c := everything(t)
	targets := c.applied.Load().watched
	before := make([]string, len(targets))
	for i, target := range targets {
		before[i] = fmt.Sprint(target.labels)
	}
	var running sync.WaitGroup
	for _, format := range formats {
		running.Go(func() {
			for range 20 {
				write(t, c, format)
			}
		})
	}
	for _, target := range targets {
		running.Go(func() {
			for i := range 50 {
				result := hcxValid()
				if i%2 == 1 {
					result = hostileResult()
				}
				result.Steps[0].Code = fmt.Sprint("code ", i)
				target.record(&result)
			}
		})
	}
	running.Go(func() {
		next := newSettings(withLabels("next", map[string]string{"zone": "z"}))
		for range 10 {
			if err := c.Apply(next, func(*config.Endpoint) (Prober, error) { return &fake{}, nil }); err != nil {
				t.Error(err)
			}
		}
	})
	running.Wait()
	for _, format := range formats {
		expose(t, c, format)
	}
	for i, target := range targets {
		if after := fmt.Sprint(target.labels); after != before[i] {
			t.Errorf("labels %s became %s", before[i], after)
		}
	}
}
