// A counter that is asked over HTTP runs in one process, with a hot standby in another. The first is killed: the second goes on, and nothing it answered is lost.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const command = join(dirname(fileURLToPath(import.meta.resolve('pageferry'))), 'cli/main.js');
const module = fileURLToPath(new URL('./lib/counter-guest.mjs', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'pageferry-standby-'));
const [counterPort, standbyPort] = [await freePort(), await freePort()];
const member = ['--name', 'counter', '--lease-dir', join(folder, 'leases'), '--json'];

const second = start('standby', '--listen', `127.0.0.1:${standbyPort}`);
await second.says('listening');
const first = start('protect', '--peer', `127.0.0.1:${standbyPort}`);
await first.says('joined');
const told = [];
const asked = [];
try {
  for (let request = 0; request < 400; request += 1) {
    if (request === 200) first.kill();
    const count = await ask();
    if (count !== undefined) told.push(count);
    else asked.push(request);
  }
  await second.says('promoted');
  const last = await ask();
  // Each answer is higher than the one before: nothing that was told was forgotten, and nothing was told twice.
  const isGood = told.every((count, at) => at === 0 || count > told[at - 1]) && last > told.at(-1);
  console.log(
    `${isGood ? 'took over' : 'FAILED'}: ${told.length} answers, the last ${last}; ${asked.length} requests without an answer were made again`,
  );
  if (!isGood) process.exitCode = 1;
} finally {
  first.kill();
  second.kill();
  await rm(folder, { recursive: true, force: true });
}

/** What the counter says; undefined where nobody answers. */
async function ask() {
  for (const until = Date.now() + 5000; Date.now() < until; await sleep(5)) {
    try {
      const response = await fetch(`http://127.0.0.1:${counterPort}/`, {
        signal: AbortSignal.timeout(2000),
      });
      return Number(await response.text());
    } catch {
      // Nobody listens yet, or whoever did is dead: as every client does, we ask again.
    }
  }
  return undefined;
}

function start(...args) {
  const [name, ...rest] = args;
  const child = spawn(process.execPath, [command, name, module, ...member, ...rest], {
    env: { ...process.env, COUNTER_PORT: counterPort },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const heard = new Map();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line);
    const { resolve } = waiterFor(event.type);
    resolve(event);
  });
  function waiterFor(type) {
    if (!heard.has(type)) {
      const waiter = {};
      waiter.promise = new Promise((resolve) => {
        waiter.resolve = resolve;
      });
      heard.set(type, waiter);
    }
    return heard.get(type);
  }
  return {
    says: (type) => waiterFor(type).promise,
    kill: () => child.kill('SIGKILL'),
  };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
