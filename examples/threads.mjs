// Three threads that share one memory move to another process while they work; then all of it is compared with what they would have done here.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { listen, migrate } from 'pageferry';
import { wasmGuest } from 'pageferry/guests/wasm';
import { instrument, readLayout } from 'pageferry/instrument';
import { compileCrowd, memoryLimits, startThreads } from './lib/crowd.mjs';

const threads = 3;
const bytes = await compileCrowd();
const all = Array.from({ length: threads }, (_, thread) => thread);
// Node 20 has no second memory for the write log: there all that the threads write is found by hashing.
const place = Number(process.versions.node.split('.')[0]) >= 22 ? 'second-memory' : 'none';

// guide
async function boot() {
  const { wasm } = instrument(bytes, { place });
  const imports = { env: { memory: new WebAssembly.Memory(memoryLimits), abort() {} } };
  const { module, instance } = await WebAssembly.instantiate(wasm, imports);
  const crowd = await startThreads({
    module,
    memory: imports.env.memory,
    count: threads,
    mapName: readLayout(wasm).map.export,
  });
  const { barrier } = crowd;
  const guest = await wasmGuest({ module: wasm, instance, imports, barrier, hostWrites: 'known' });
  // The threads stand at the barrier until it is resumed.
  await guest.pause();
  return { guest, exports: instance.exports, end: crowd.end };
}
// end of guide

/** Until each thread has done so many pieces more. */
async function worked({ exports }, pieces) {
  const goals = all.map((thread) => exports.done(thread) + pieces);
  while (all.some((thread) => exports.done(thread) < goals[thread])) await sleep(5);
}

/** What a program holds whose threads did so many pieces each, one thread after the other. */
async function sumOfTwin(pieces) {
  const imports = { env: { memory: new WebAssembly.Memory(memoryLimits), abort() {} } };
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  const { work, sum } = instance.exports;
  for (const thread of all) for (let piece = 0; piece < pieces[thread]; piece++) work(thread);
  return sum();
}

async function source() {
  const program = await boot();
  const { guest } = program;
  await guest.resume();
  const child = fork(fileURLToPath(import.meta.url), ['destination']);
  try {
    const [port] = await once(child, 'message');
    await worked(program, 200);
    const report = await migrate(guest, { host: '127.0.0.1', port, maxDowntimeMs: 200 }).done;
    const ended = once(child, 'message');
    child.send('end');
    const [{ pieces, equal }] = await ended;
    console.log(
      `${process.pid} -> ${child.pid}: ${report.pagesSent} pages in ${report.rounds} rounds, paused ${report.downtimeMs.toFixed(1)} ms, ` +
        `verified ${report.verified}; ${equal ? 'equal' : 'FAILED: not equal'} to threads that never moved, after ${pieces} pieces`,
    );
    if (!equal) process.exitCode = 1;
  } finally {
    child.kill();
    await program.end();
  }
}

async function destination() {
  const program = await boot();
  const { guest, exports } = program;
  const listener = await listen({ accept: () => guest });
  process.send(listener.port);
  await once(process, 'message');
  await worked(program, 200);
  await guest.pause();
  const pieces = all.map((thread) => exports.done(thread));
  process.send({ pieces, equal: exports.sum() === (await sumOfTwin(pieces)) });
}

await (process.argv[2] === 'destination' ? destination() : source());
