// Package servers tests session APIs against third-party servers: govmomi's vCenter simulator,
// two OpenID providers, and a CouchDB-compatible server. The identity broker and HCX Manager of
// VMware Cloud Foundation are simulated here.
package servers
