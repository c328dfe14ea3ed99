package sessionapi

// CouchDB returns the API of docs/apis/README.md.
func CouchDB() API { return couchdb{} }
