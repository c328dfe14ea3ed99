package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"

	"session_exporter/simulator"
)

const password = "correct horse"

// serve simulates the appliances on n ports until standard input is closed. Each port
// responds at every address of the host. serve prints a description of the appliances, and
// then, for each line of the input, the number of checks that it has served.
func serve(n, endpoints int) error {
	ca, err := simulator.NewCA()
	if err != nil {
		return err
	}
	var hosts []string
	for i := range (endpoints + n - 1) / n {
		hosts = append(hosts, host(i))
	}
	description := appliances{CA: ca.PEM()}
	var checks atomic.Int64
	for range n {
		site := simulator.NewHCX(simulator.Settings{
			Accounts: map[string]simulator.Account{"monitor": {Password: password, Roles: []string{"System Administrator"}}},
		})
		counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				checks.Add(1)
			}
			site.ServeHTTP(w, r)
		})
		server, err := ca.Serve(counting, "0.0.0.0:0", simulator.ServerOptions{Hosts: hosts})
		if err != nil {
			return err
		}
		defer server.Close() //nolint:gocritic // they serve until the function returns
		u, err := url.Parse(server.URL())
		if err != nil {
			return err
		}
		description.Ports = append(description.Ports, u.Port())
	}
	if description.Hanging, err = hang(); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(description); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := out.Encode(checks.Load()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// hang accepts connections on a new port and never responds.
func hang() (port string, err error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "0.0.0.0:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, "soak:", err)
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	return port, err
}
