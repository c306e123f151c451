// message-db's own functions, over node-postgres: three events in one statement and one transaction, prepared.
// (The package has no client. Calls in statements of their own, between BEGIN and COMMIT, would be slower.)
import { createRequire } from "node:module";
import { serve, TYPE } from "./worker.mjs";

const pg = createRequire(`${process.cwd()}/`)("pg");
const [url, connections] = [process.argv[2], Number(process.argv[3])];
const pool = new pg.Pool({ connectionString: url, max: connections, options: "-c search_path=message_store,public" });

const call = (first, version) =>
  `write_message($${first}, $1, $2, $${first + 1}::jsonb, $${first + 2}::jsonb, ${version})`;
const text = `SELECT ${call(3, -1)}, ${call(6, 0)}, ${call(9, 1)}`;

const prepare = ({ stream, events }) => ({
  name: "append",
  text,
  values: [stream, TYPE, ...events.flatMap((each) => [each.id, JSON.stringify(each.data), JSON.stringify(each.metadata)])],
});

await serve(prepare, (query) => pool.query(query), () => pool.end());
