// Package servers tests session APIs against third-party servers: govmomi's vCenter
// simulator, two OpenID providers, and a CouchDB-compatible server.
package servers
