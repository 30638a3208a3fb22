// A growing SQLite database is stored every second while it works. Its process is killed; another one goes on from the last checkpoint: nothing that was
// committed before it is lost.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Checkpointer, openStore, restoreGuest } from 'pageferry/snapshot';
import { boot } from './lib/sqlite-program.mjs';

const { values } = parseArgs({
  options: {
    checkpoints: { type: 'string', default: '4' },
    every: { type: 'string', default: '1000' },
  },
});
const store = process.env.EXAMPLE_STORE;
if (store === undefined) await conduct();
else if (process.env.EXAMPLE_ROLE === 'first') await work(store);
else await goOn(store);

/** Starts the one, kills it after some checkpoints, starts the other. */
async function conduct() {
  const folder = await mkdtemp(join(tmpdir(), 'pageferry-checkpoints-'));
  try {
    const path = join(folder, 'store');
    const first = start('first', path);
    let last;
    first.on('message', (checkpoint) => {
      last = checkpoint;
      const { number, pauseMs, pages, storedBytes } = checkpoint;
      console.log(
        `checkpoint ${number}: ${checkpoint.committed} committed, paused ${pauseMs.toFixed(1)} ms, ${pages} pages, ${storedBytes} bytes stored`,
      );
      if (number === Number(values.checkpoints)) first.kill('SIGKILL');
    });
    await once(first, 'exit');
    const second = start('second', path);
    const [{ found, worked, generation }] = await once(second, 'message');
    second.kill();
    const lost = Math.max(0, last.committed - found);
    console.log(
      `${lost === 0 && worked > found ? 'restored' : 'FAILED:'} checkpoint ${last.number} in another process: ${found} committed there, ${lost} lost, ${worked} after it went on as generation ${generation}`,
    );
    if (lost > 0 || worked <= found) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function start(role, path) {
  return fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, EXAMPLE_ROLE: role, EXAMPLE_STORE: path },
  });
}

/** Works, and is stored every second; says what was committed when each checkpoint began. */
async function work(path) {
  const { guest, step, steps } = await boot();
  const store = await openStore(path, { create: true });
  const checkpointer = new Checkpointer(store, guest, { name: 'orders' });
  const working = (async () => {
    for (;;) {
      await guest.run(step);
      await breathe();
    }
  })();
  for (;;) {
    const committed = await guest.run(steps);
    const { snapshot, pauseMs, pages, counts } = await checkpointer.take();
    const { storedBytes } = counts;
    process.send({ number: snapshot.counter, committed, pauseMs, pages, storedBytes });
    await Promise.race([sleep(Number(values.every)), working]);
  }
}

/** Goes on from the newest checkpoint. */
async function goOn(path) {
  const { guest, step, steps } = await boot();
  const store = await openStore(path);
  await restoreGuest(store, await store.find('orders'), guest);
  const found = await guest.run(steps);
  for (let more = 0; more < 100; more++) await guest.run(step);
  process.send({ found, worked: await guest.run(steps), generation: guest.generation });
}
