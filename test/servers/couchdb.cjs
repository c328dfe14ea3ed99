// A server that speaks CouchDB's protocol, with its data in memory, for
// couchdb_test.go. It prints its port, and exits when its input is closed.
"use strict";

const express = require("express");
const PouchDB = require("pouchdb-core")
  .plugin(require("pouchdb-adapter-memory"))
  .plugin(require("pouchdb-mapreduce"))
  .plugin(require("pouchdb-replication"))
  .defaults({ adapter: "memory" });

const app = express();
app.use(require("express-pouchdb")(PouchDB, { inMemoryConfig: true, logPath: "/dev/null" }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
