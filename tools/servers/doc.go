// Package servers has tests of session APIs against servers that nobody here
// wrote: vCenter's simulator of govmomi, an OpenID provider, and what speaks
// CouchDB's protocol. They are in a module of their own, so that the exporter
// depends on none of them.
package servers
