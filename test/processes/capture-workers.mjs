// A process that moves memory which another thread writes all the time, captured by worker threads, to a destination of its own. Says
// how it went in one line of JSON, and must then end by itself. Argument: 'equal', 'file', 'killed' (a worker is ended on the way),
// 'killed-paused' (while the guest stands still), 'cancelled', or 'unshared' (memory that no worker can see).
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const scenario = process.argv[2];
const threads = createRequire(import.meta.url)('node:worker_threads');
const { Worker } = threads;
const captureWorkers = [];
const ends = [];
threads.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    captureWorkers.push(this);
    ends.push(once(this, 'exit'));
  }
};
syncBuiltinESMExports();
const { bufferGuest, fileDestination, fileGuest, listen, migrate } = await import(
  '../../dist/index.js'
);

const byteLength = 24 * 1024 * 1024 - 100;
const pageBytes = 4096;
const memory =
  scenario === 'unshared' ? new ArrayBuffer(byteLength) : new SharedArrayBuffer(byteLength);
const bytes = new Uint8Array(memory);
for (let page = 0; page * pageBytes < byteLength; page += 1 + (page % 3)) {
  bytes.fill(page * 7 + 1, page * pageBytes + (page % 5), page * pageBytes + (page % 4096));
}

const folder = await mkdtemp(join(tmpdir(), 'pageferry-'));
const control = new SharedArrayBuffer(8);
const state = new Int32Array(control);
let resumed = 0;
let guest;
let stopped;
let received;
if (scenario === 'file') {
  writeFileSync(join(folder, 'from'), bytes);
  guest = await fileGuest(join(folder, 'from'));
  received = await fileDestination(join(folder, 'to'), { byteLength });
} else {
  guest = bufferGuest(memory, {
    tracker: 'marks',
    async pause() {
      Atomics.store(state, 0, 1);
      await stopped;
      if (scenario === 'killed-paused') await captureWorkers[1].terminate();
    },
    resume: () => {
      resumed += 1;
    },
  });
  received = bufferGuest(new Uint8Array(byteLength), { fresh: true });
}
if (memory instanceof SharedArrayBuffer && scenario !== 'file') {
  const workerData = { memory, length: byteLength, marks: guest.marks.buffer, control };
  const writer = new Worker(new URL('../codec/writer.mjs', import.meta.url), { workerData });
  await once(writer, 'message');
  stopped = once(writer, 'message');
}

const listener = await listen({ maxImageBytes: byteLength, accept: () => received });
const abort = new AbortController();
const migration = migrate(guest, {
  host: '127.0.0.1',
  port: listener.port,
  workers: 2,
  connections: scenario === 'equal' ? 2 : 1,
  compression: scenario === 'file' ? 'always' : 'auto',
  onStall: 'force',
  signal: abort.signal,
});
const watching = (async () => {
  for await (const event of migration) {
    if (event.type !== 'round') continue;
    if (scenario === 'killed') await captureWorkers[1].terminate();
    if (scenario === 'cancelled') abort.abort();
  }
})().catch(() => {});
const outcome = await migration.done.then(
  ({ digest }) => ({ digest }),
  ({ code, message }) => ({ code, message }),
);
await watching;
const arrived =
  scenario === 'file' ? readFileSync(join(folder, 'to')) : received.regions[0].memory();
const isEqual = Buffer.compare(bytes, arrived) === 0;
if (scenario === 'killed') {
  // Whoever waits in vain for the next write never says how it went.
  const writes = Atomics.load(state, 1);
  while (Atomics.load(state, 1) === writes) await setTimeout(1);
}
Atomics.store(state, 0, 1);
await stopped;
// Without their end this process ends before it has said anything.
await Promise.all(ends);
console.log(JSON.stringify({ ...outcome, isEqual, resumed, workers: captureWorkers.length }));
await listener.close();
await guest.close?.();
await rm(folder, { recursive: true });
