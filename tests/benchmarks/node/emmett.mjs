// Emmett's event store for Postgres, as it comes but for the number of connections.
import { createRequire } from "node:module";
import { serve, TYPE } from "./worker.mjs";

const require = createRequire(`${process.cwd()}/`);
const { getPostgreSQLEventStore } = require("@event-driven-io/emmett-postgresql");
const { STREAM_DOES_NOT_EXIST } = require("@event-driven-io/emmett");
const pg = require("pg");

const [url, connections] = [process.argv[2], Number(process.argv[3])];
const pool = new pg.Pool({ connectionString: url, max: connections });
const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
await store.schema.migrate();

const prepare = ({ stream, events }) => [
  stream,
  events.map(({ data, metadata }) => ({ type: TYPE, data, metadata })),
];
const append = ([stream, events]) =>
  store.appendToStream(stream, events, { expectedStreamVersion: STREAM_DOES_NOT_EXIST });

await serve(prepare, append, async () => {
  await store.close();
  await pool.end();
});
