package simulator_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"

	"session_exporter/simulator"
)

// An HCX Manager that fails once and then responds normally.
func Example() {
	appliance := simulator.NewHCX(simulator.Settings{
		Accounts: map[string]simulator.Account{"monitor": {Password: "secret"}},
		Faults:   []simulator.Fault{{On: simulator.Check, Times: 1, Status: 502}},
	})
	ca, err := simulator.NewCA()
	if err != nil {
		panic(err)
	}
	server, err := ca.Serve(appliance, "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		panic(err)
	}
	defer server.Close()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca.PEM()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for range 2 {
		request, err := http.NewRequest(http.MethodGet, server.URL()+"/api/admin/v1/sessions", http.NoBody)
		if err != nil {
			panic(err)
		}
		request.SetBasicAuth("monitor", "secret")
		response, err := client.Do(request)
		if err != nil {
			panic(err)
		}
		fmt.Println(response.Status)
		_ = response.Body.Close()
	}
	fmt.Println(appliance.Stats().Checks, "checks")
	// Output:
	// 502 Bad Gateway
	// 200 OK
	// 2 checks
}
