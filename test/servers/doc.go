// Package servers tests session APIs against third-party servers: govmomi's vCenter
// simulator, an OpenID provider, and a CouchDB-compatible server.
package servers
