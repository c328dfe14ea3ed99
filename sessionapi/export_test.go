package sessionapi

// CouchDB returns the API that docs/apis/README.md shows as an example.
func CouchDB() API { return couchdb{} }
