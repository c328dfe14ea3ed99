// Package servers tests session APIs against third-party servers: govmomi's vCenter
// simulator, two OpenID providers, and a CouchDB-compatible server; and against a
// hand-written identity broker of VMware Cloud Foundation.
package servers
