// Two processes. In the first a worker thread writes into shared memory without pause and marks what it writes; the memory moves to the
// second, where another worker goes on with it. Then every number is looked for.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { bufferGuest, listen, migrate, RegionMarks } from 'pageferry';

const file = fileURLToPath(import.meta.url);
const byteLength = 16 * 2 ** 20;

// The program. Cell 0 counts; number n stands in a cell of its own.
const cellOf = (n, cells) => 1 + ((n * 7919) % (cells.length - 1));

function write(cells, marks) {
  const n = cells[0] + 1;
  const cell = cellOf(n, cells);
  cells[cell] = n;
  cells[0] = n;
  // Store first, mark after: the engine clears a mark before it reads the page.
  marks?.mark(4 * cell, 4);
  marks?.mark(0, 4);
}

/** Numbers that are missing, and cells that hold something they should not. */
function faultsOf(cells) {
  let faults = 0;
  for (let n = 1; n <= cells[0]; n++) if (cells[cellOf(n, cells)] !== n) faults += 1;
  const filled = cells.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
  return faults + Math.abs(filled - 1 - cells[0]);
}

// The worker: writes while the gate is open, and says when it stands still.
const open = 0;
const parked = 1;

function work({ memory, gate, layout }) {
  const cells = new Int32Array(memory);
  const marks = layout === undefined ? undefined : new RegionMarks(layout);
  for (;;) {
    while (Atomics.load(gate, open) === 0) {
      Atomics.store(gate, parked, 1);
      Atomics.wait(gate, open, 0);
      Atomics.store(gate, parked, 0);
    }
    for (let i = 0; i < 10; i++) write(cells, marks);
    Atomics.wait(gate, parked, 0, 1);
  }
}

/** `memory` as a guest, with a worker that stands at a closed gate until `resume`. */
async function guestOf(memory, options) {
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const isParked = async () => {
    while (Atomics.load(gate, parked) === 0) await nextTurn();
  };
  const guest = bufferGuest(memory, {
    ...options,
    async pause() {
      Atomics.store(gate, open, 0);
      await isParked();
    },
    resume() {
      Atomics.store(gate, open, 1);
      Atomics.notify(gate, open);
    },
  });
  const worker = new Worker(file, { workerData: { memory, gate, layout: guest.marks } });
  await isParked();
  return { guest, worker };
}

async function destination() {
  const memory = new SharedArrayBuffer(byteLength);
  const { guest, worker } = await guestOf(memory, { fresh: true });
  const listener = await listen({ accept: () => guest });
  process.send({ port: listener.port });
  for await (const event of listener) {
    if (event.type === 'failed') throw event.error;
    if (event.type === 'ended') break;
  }
  await sleep(200);
  await guest.pause();
  await listener.close();
  await worker.terminate();
  const cells = new Int32Array(memory);
  process.send({ count: cells[0], faults: faultsOf(cells) });
  process.disconnect();
}

async function source() {
  const child = fork(file, ['destination']);
  const [{ port }] = await once(child, 'message');
  const memory = new SharedArrayBuffer(byteLength);
  const { guest, worker } = await guestOf(memory, { tracker: 'marks' });
  await guest.resume();
  await sleep(200);
  const report = await migrate(guest, { host: '127.0.0.1', port, maxDowntimeMs: 50 }).done;
  const handedOver = new Int32Array(memory)[0];
  const [{ count, faults }] = await once(child, 'message');
  await worker.terminate();
  const ok = faults === 0 && count > handedOver && report.rounds > 0;
  console.log(
    `${ok ? 'handed over' : 'FAILED:'} ${handedOver} numbers, ${count - handedOver} more written there, ${faults} wrong; ` +
      `${report.rounds} rounds, paused ${report.downtimeMs?.toFixed(1)} ms, verified ${report.verified}`,
  );
  if (!ok) process.exitCode = 1;
}

if (!isMainThread) work(workerData);
else if (process.argv[2] === 'destination') await destination();
else await source();
