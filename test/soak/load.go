package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load requests probes on demand from an exporter, and scrapes it, as Prometheus does.
type load struct {
	*setup
	contender contender
	requested atomic.Int64 // number of probes requested so far, which selects the endpoint
}

// workers is the number of concurrent requests of a load without an interval.
const workers = 16

// scraper keeps its connections, and does not decompress responses.
var scraper = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}}

// scrapeHeaders are the headers of Prometheus' requests.
var scrapeHeaders = map[string]string{
	"Accept":                              "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	"Accept-Encoding":                     "gzip",
	"User-Agent":                          "Prometheus/3.0.0",
	"X-Prometheus-Scrape-Timeout-Seconds": "10",
}

// warmUp waits for the row's warm-up. On demand, it requests one probe of each endpoint
// instead, and returns an error if one fails.
func (l *load) warmUp(ctx context.Context) error {
	if err := ready(ctx, "http://"+l.address+"/metrics"); err != nil {
		return err
	}
	if !l.row.onDemand {
		return sleep(ctx, l.row.warmUp())
	}
	for i := range l.row.endpoints {
		var body strings.Builder
		err := get(ctx, scraper, l.probeOf(i), nil, &body)
		if err == nil && !strings.Contains(body.String(), l.contender.success) {
			err = fmt.Errorf("the probe of %s has no %s:\n%s", l.check(i), l.contender.success, body.String())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// probeOf returns the URL that requests a probe of an endpoint.
func (l *load) probeOf(i int) string { return "http://" + l.address + l.contender.probe(l.setup, i) }

// run applies the load for the row's window, and returns the mean resident memory of the
// process in MiB.
func (l *load) run(ctx context.Context, pid int) (mib float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.row.window)
	defer cancel()
	tasks := []func(context.Context) error{func(ctx context.Context) error { mib, err = watchMemory(ctx, pid); return err }}
	switch {
	case l.row.onDemand && l.row.interval == 0:
		for range workers {
			tasks = append(tasks, l.saturate)
		}
	case l.row.onDemand:
		tasks = append(tasks, every(l.row.interval/time.Duration(l.row.endpoints), l.probeNext))
	}
	if l.row.scrape > 0 {
		tasks = append(tasks, every(l.row.scrape, func(ctx context.Context) error {
			return get(ctx, scraper, "http://"+l.address+"/metrics", scrapeHeaders)
		}))
	}
	errs := make([]error, len(tasks))
	var running sync.WaitGroup
	for i, task := range tasks {
		running.Go(func() { errs[i] = task(ctx) })
	}
	running.Wait()
	return mib, errors.Join(errs...)
}

// probeNext requests a probe of the next endpoint. It returns no error if the window ends
// meanwhile.
func (l *load) probeNext(ctx context.Context) error {
	i := int(l.requested.Add(1)) % l.row.endpoints
	if err := get(ctx, scraper, l.probeOf(i), scrapeHeaders); ctx.Err() == nil {
		return err
	}
	return nil
}

// saturate requests one probe after the other.
func (l *load) saturate(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.probeNext(ctx); err != nil {
			return err
		}
	}
	return nil
}

// every returns a function that calls task once per interval, even while a previous call
// still runs, until ctx is done or a call fails. It returns the first error.
func every(interval time.Duration, task func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		failed := make(chan error, 1)
		var running sync.WaitGroup
		defer running.Wait()
		for {
			running.Go(func() {
				if err := task(ctx); err != nil && ctx.Err() == nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
			select {
			case <-ctx.Done():
				return nil
			case err := <-failed:
				return err
			case <-ticks.C:
			}
		}
	}
}

// get requests a page and writes its body to the writers in into. It returns an error unless
// the status is 200.
func get(ctx context.Context, client *http.Client, url string, headers map[string]string, into ...io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.MultiWriter(append(into, io.Discard)...), response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
