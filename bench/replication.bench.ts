import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { encodeXbzrle } from '../src/codec/xbzrle.js';
import { bufferGuest } from '../src/guests/buffer.js';
import type { Guest } from '../src/guests/guest.js';
import { createSqlite, type SqliteGuest } from '../src/guests/sqlite.js';
import { embeddedLease } from '../src/lease/embedded.js';
import type { LeaseProvider } from '../src/lease/provider.js';
import { newMember, protect } from '../src/replication/protect.js';
import { ofRounds, type Result, result, type Suite } from './harness.js';
import { percentile } from './percentile.js';
import { protectedBy, StandbyProcess } from './standby.js';
import { command, roomyFolder, timedOutput } from './whole-commands.js';

const sizeMiB = 64;
const pageBytes = 4096;
const kills = 10;
/** Some 100 pages in 50 ms. */
const transactionsPerSecond = 450;
const pausesMs = 8000;
const roundMs = 3000;
const rounds = 3;
const clients = 64;
const largeMiB = 1024;
const changedPages = 100;
const changedWords = 16;

export const suite: Suite = {
  question:
    'What does a hot standby cost: pauses and bytes of epochs, the guest’s throughput with async and with output-commit, a standby that joins; and how soon does it run the guest after a kill?',
  async *run(): AsyncGenerator<Result> {
    const folder = mkdtempSync(join(roomyFolder(), 'pageferry-replication-'));
    const leases = join(folder, 'leases');
    const lease = await embeddedLease({ folder: leases });
    try {
      yield* takeovers();
      yield* pauses(leases, lease);
      yield* epochBytes(leases, lease);
      yield* running(leases, lease);
      yield* committing(leases, lease);
      yield* joining(leases, lease);
    } finally {
      await lease.close();
      rmSync(folder, { recursive: true });
    }
  },
};

/** From kill -9 of the primary to the guest running on the standby, and to its first output. */
async function* takeovers(): AsyncGenerator<Result> {
  const args = ['drill', '--guest', 'sqlite', '--kills', `${kills}`, '--json'];
  const { output } = timedOutput('node', ...command, ...args);
  const struck = output
    .split('\n')
    .filter((line) => line.includes('"type":"struck"'))
    .map((line) => JSON.parse(line));
  const promoted = struck.map(({ promotedMs }) => promotedMs);
  const heard = struck.map(({ effectMs }) => effectMs);
  yield result('replication/takeover', 'ms', 'lower', percentile(promoted, 0.5), {});
  yield result('replication/takeover-worst', 'ms', 'lower', Math.max(...promoted), {});
  yield result('replication/first-output', 'ms', 'lower', percentile(heard, 0.5), {});
}

async function* pauses(folder: string, lease: LeaseProvider): AsyncGenerator<Result> {
  const name = 'pauses';
  const standby = await StandbyProcess.start({ kind: 'sqlite', sizeMiB, name, folder });
  const guest = await createSqlite({ sizeMiB, seed: 7, transactionsPerSecond });
  const primary = await protectedBy(standby, guest, lease, { name, intervalMs: 50 });
  const found: { readonly pauseMs: number; readonly pages: number }[] = [];
  void (async () => {
    for await (const event of primary) if (event.type === 'epoch') found.push(event);
  })();
  // Until its memory has grown to what it becomes.
  await sleep(pausesMs / 4);
  found.length = 0;
  await sleep(pausesMs);
  await standby.end();
  await primary.close();
  const ms = found.map(({ pauseMs }) => pauseMs);
  const pages = found.map((epoch) => epoch.pages);
  yield result('replication/pause', 'ms', 'lower', percentile(ms, 0.5), {});
  yield result('replication/pause-p99', 'ms', 'lower', percentile(ms, 0.99), {});
  yield result('replication/epoch-pages', 'pages', 'lower', percentile(pages, 0.5), {});
}

/** Frames of an epoch beside the XBZRLE of the pages that were changed. */
async function* epochBytes(folder: string, lease: LeaseProvider): AsyncGenerator<Result> {
  const name = 'bytes';
  const standby = await StandbyProcess.start({ kind: 'buffer', sizeMiB, name, folder });
  const memory = Buffer.alloc(sizeMiB * 2 ** 20, 'what a database keeps ');
  const guest = bufferGuest(memory, { tracker: 'marks' });
  const primary = await protectedBy(standby, guest, lease, { name, intervalMs: 60_000 });
  const ours: number[] = [];
  const theirs: number[] = [];
  void (async () => {
    for await (const event of primary) if (event.type === 'epoch') ours.push(event.bytes);
  })();
  for (let round = 0; round < 20; round += 1) {
    let delta = 0;
    for (let at = 0; at < changedPages; at += 1) {
      const page = (round * 7919 + at * 131) % (memory.length / pageBytes);
      const bytes = memory.subarray(page * pageBytes, (page + 1) * pageBytes);
      const before = new Uint8Array(bytes);
      for (let row = 0; row < changedWords; row += 1) {
        bytes.writeUInt32LE((round * 2654435761 + at) >>> 0, row * 250 + 8);
      }
      guest.markDirty(page * pageBytes, pageBytes);
      const room = new Uint8Array(pageBytes);
      const length = encodeXbzrle(before, bytes, room);
      delta += length < 0 ? pageBytes : length;
    }
    await primary.commit();
    // The first time each page goes whole: nothing of it was sent on this connection before the copy.
    theirs.push(delta);
  }
  await standby.end();
  await primary.close();
  yield ofRounds('replication/epoch-bytes', 'bytes', 'lower', ours.slice(-theirs.length), {
    'XBZRLE of its pages': theirs,
  });
}

/** Transactions a second of a SQLite that goes as fast as it can. */
async function* running(folder: string, lease: LeaseProvider): AsyncGenerator<Result> {
  const alone: number[] = [];
  const followed: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const name = `running${round}`;
    let count = 0;
    const onCommit = (): void => {
      count += 1;
    };
    const rate = async (): Promise<number> => {
      await sleep(roundMs / 3);
      const [from, before] = [performance.now(), count];
      await sleep(roundMs);
      return ((count - before) * 1000) / (performance.now() - from);
    };
    const guest = await createSqlite({ sizeMiB, seed: 7, onCommit });
    await guest.resume();
    await sleep(roundMs);
    alone.push(await rate());
    await guest.pause();
    const standby = await StandbyProcess.start({ kind: 'sqlite', sizeMiB, name, folder });
    const primary = await protectedBy(standby, guest, lease, {
      ...{ name, mode: 'async', intervalMs: 50 },
    });
    followed.push(await rate());
    await standby.end();
    await primary.close();
  }
  yield ofRounds('replication/async', 'transactions/s', 'higher', followed, { alone });
}

/** The same by clients that wait for their own transaction to be told of: over TCP from a process of their own, and in the guest's. */
async function* committing(folder: string, lease: LeaseProvider): AsyncGenerator<Result> {
  yield* committed(folder, lease, asked, '');
  yield* committed(folder, lease, (gated, commit) => called(gated, 1, commit), '-of-calls');
  yield* committed(folder, lease, (gated, commit) => called(gated, 10, commit), '-of-ten');
}

/** Has clients work for `roundMs`, each with one request at a time. */
type Serve = (
  gated: Gated,
  commit: () => Promise<unknown>,
) => Promise<{ readonly rate: number; readonly ms: number }>;

async function* committed(
  folder: string,
  lease: LeaseProvider,
  serve: Serve,
  suffix: string,
): AsyncGenerator<Result> {
  const alone: number[] = [];
  const followed: number[] = [];
  const added: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const name = `committing${suffix}${round}`;
    const sqlite = await createSqlite({ sizeMiB, seed: 7, transactionsPerSecond: 0.001 });
    const gated = new Gated(sqlite);
    await gated.guest.resume();
    const without = await serve(gated, () => turn());
    await gated.guest.pause();
    const standby = await StandbyProcess.start({ kind: 'sqlite', sizeMiB, name, folder });
    const primary = await protectedBy(standby, gated.guest, lease, { name, intervalMs: 50 });
    const with_ = await serve(gated, () => primary.commit());
    await standby.end();
    await primary.close();
    alone.push(without.rate);
    followed.push(with_.rate);
    added.push(with_.ms - without.ms);
  }
  yield ofRounds(`replication/output-commit${suffix}`, 'requests/s', 'higher', followed, { alone });
  yield ofRounds(`replication/added-latency${suffix}`, 'ms', 'lower', added, {});
}

/** A guest that is told when it may run, so that its transactions can be others' to make. */
class Gated {
  readonly guest: Guest;
  readonly sqlite: SqliteGuest;
  runs = false;

  constructor(sqlite: SqliteGuest) {
    this.sqlite = sqlite;
    this.guest = new Proxy<Guest>(sqlite, {
      get: (target, key) => {
        if (key === 'pause') {
          return async () => {
            this.runs = false;
            await sqlite.pause();
          };
        }
        if (key === 'resume') {
          return async () => {
            await sqlite.resume();
            this.runs = true;
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}

/** Clients in a process of their own, over TCP: each request is a transaction. */
async function asked(
  gated: Gated,
  commit: () => Promise<unknown>,
): Promise<{ readonly rate: number; readonly ms: number }> {
  const server = createServer((socket) => {
    socket.setNoDelay();
    socket.on('error', () => {});
    socket.on('data', async () => {
      while (!gated.runs) await turn();
      gated.sqlite.transact();
      await commit();
      socket.write('!');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const program = fileURLToPath(new URL('./request-clients.js', import.meta.url));
  const args = [program, port, clients, roundMs].map(String);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const found = JSON.parse(await text(child.stdout));
  server.close();
  return found;
}

/** Clients in the guest's own process; each request makes so many transactions. */
async function called(
  gated: Gated,
  each: number,
  commit: () => Promise<unknown>,
): Promise<{ readonly rate: number; readonly ms: number }> {
  const latencies: number[] = [];
  const until = performance.now() + roundMs;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      const from = performance.now();
      while (!gated.runs) await turn();
      for (let count = 0; count < each; count += 1) gated.sqlite.transact();
      await commit();
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { rate: (latencies.length * 1000) / roundMs, ms: percentile(latencies, 0.5) };
}

/** What a standby that joins leaves of the throughput of a guest of 1 GiB. */
async function* joining(folder: string, lease: LeaseProvider): AsyncGenerator<Result> {
  const name = 'joining';
  const memory = Buffer.alloc(largeMiB * 2 ** 20, 'rows ');
  let runs = false;
  const guest = bufferGuest(memory, {
    tracker: 'marks',
    pause: () => {
      runs = false;
    },
    resume: () => {
      runs = true;
    },
  });
  let steps = 0;
  let isOver = false;
  const working = (async () => {
    for (; !isOver; await turn()) {
      // A piece of work of half a millisecond, that writes two pages.
      for (const until = performance.now() + 0.5; performance.now() < until; );
      if (!runs) continue;
      steps += 1;
      for (const page of [steps % 4096, (steps * 7919) % (memory.length / pageBytes)]) {
        memory.writeUInt32LE(steps, page * pageBytes + 64);
        guest.markDirty(page * pageBytes + 64, 4);
      }
    }
  })();
  const standby = await StandbyProcess.start({ kind: 'buffer', sizeMiB: largeMiB, name, folder });
  const lone = await protect(guest, { name: 'alone', member: newMember('a'), lease });
  await sleep(roundMs / 3);
  const rateOf = async (work: () => Promise<unknown>): Promise<number> => {
    const [from, before] = [performance.now(), steps];
    await work();
    return ((steps - before) * 1000) / (performance.now() - from);
  };
  const alone = await rateOf(() => sleep(roundMs));
  await lone.close();
  const from = performance.now();
  let primary: Awaited<ReturnType<typeof protect>> | undefined;
  const meanwhile = await rateOf(async () => {
    primary = await protectedBy(standby, guest, lease, { name, mode: 'async' });
  });
  const joinMs = performance.now() - from;
  isOver = true;
  await working;
  await standby.end();
  await primary?.close();
  yield ofRounds('replication/joining', 'steps/s', 'higher', [meanwhile], { alone: [alone] });
  yield result('replication/join', 'ms', 'lower', joinMs, {});
}
