// What a contender in Node says and hears: see tests/benchmarks/worker.py, which does the same in Python.
import { createInterface } from "node:readline";

const EVENTS = 3;
const NOTE = "x".repeat(289);
const METADATA = {
  actor: "user:0190c3f2-a1b4-7000-8000-5c2f6d1e9a77",
  command: "PlaceOrder",
  trace: "00-0af7651916cd43dd8448",
};
export const TYPE = "OrderPlaced";

// Ids in the order of their making, as UUIDv7 are; a process has its own range.
const stamp = Date.now().toString(16).padStart(12, "0");
let count = 0;
export function nextId() {
  const tail = (count++).toString(16).padStart(7, "0");
  const pid = (process.pid & 0xfffff).toString(16).padStart(5, "0");
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-7000-8000-${pid}${tail}`;
}

export function makeWork() {
  const stream = `order-0190c3f2.${nextId().replaceAll("-", "")}`;
  const events = Array.from({ length: EVENTS }, () => ({ id: nextId(), data: { note: NOTE }, metadata: METADATA }));
  return { stream, events };
}

// `append(work)` answers once it is durable; at the end `close()`.
export async function serve(prepare, append, close) {
  console.log("up");
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const [writers, seconds] = line.value.split(" ").map(Number);
    const ready = Array.from({ length: Math.ceil(seconds * Math.min(20000, 8000 * writers)) }, () => prepare(makeWork()));
    console.log("ready");
    await lines.next();
    console.log(await run(writers, seconds, ready, append));
  }
  await close();
}

async function run(writers, seconds, ready, append) {
  const started = performance.now();
  let done = 0;
  const write = async () => {
    while (performance.now() - started < seconds * 1000) {
      await append(ready.pop());
      done++;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return (done * 1000) / (performance.now() - started);
}
