import { randomFillSync } from 'node:crypto';
import { bufferGuest, type MigrateOptions, migrate } from '../src/index.js';
import { type Destination, startDestination } from './destination.js';
import { median, ofRounds, type Result, result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { type LinkKind, type OpenLink, openLink, socketCopy } from './link.js';
import { type Cable, layCable } from './namespaces.js';
import { installed, iperf3 } from './programs.js';
import { runSource } from './source.js';
import { transfer } from './transfer.js';

const pageBytes = 4096;
const megabit = 1e6 / 8;
const rounds = 3;
const longestRoundMs = 6000;
const pauses = 9;
const rivalSeconds = 2;
const switchoverPages = 64;
const options: MigrateOptions = { settle: 'first', cpuShare: 1, maxDowntimeMs: 2000 };

/** So long that what a link needs to get up to its speed counts little: two seconds and more. */
const links: readonly (LinkKind & { readonly mebibytes: number })[] = [
  { name: '100Mbit-0.2ms', bytesPerSecond: 100 * megabit, rttMs: 0.2, mebibytes: 32 },
  { name: '100Mbit-20ms', bytesPerSecond: 100 * megabit, rttMs: 20, mebibytes: 32 },
  { name: '1Gbit-0.2ms', bytesPerSecond: 1000 * megabit, rttMs: 0.2, mebibytes: 256 },
  { name: '1Gbit-20ms', bytesPerSecond: 1000 * megabit, rttMs: 20, mebibytes: 256 },
];
/** Mebibytes of which 40 % are zero. */
const cables = [
  { megabits: 100, mebibytes: 64 },
  { megabits: 1000, mebibytes: 384 },
] as const;
const noLink: LinkKind = { name: 'none', bytesPerSecond: Number.POSITIVE_INFINITY, rttMs: 0 };

export const suite: Suite = {
  question:
    'How much of a slow or long link do the pages of a first round take, and how much longer does a guest stand still because of it?',
  async *run() {
    using destination = await startDestination({ kind: 'memory' });
    const hasIperf = installed('iperf3');
    for (const link of links) {
      const image = makeImage(link.mebibytes * 2 ** 20, 0);
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        ours.push(await firstRound(image, link, destination));
        theirs.push(await (hasIperf ? iperfThrough(link) : socketCopy(link, rivalSeconds)));
      }
      yield ofRounds(`link/${link.name}`, 'MB/s', 'higher', ours, {
        [hasIperf ? 'iperf3 -P1' : 'plain sockets']: theirs.map((rate) => rate / 1e6),
      });
    }
    const image = makeImage(4 * 2 ** 20, 0);
    const direct = await standstill(image, noLink, destination);
    for (const link of links) {
      // While pages are on their way others are looked at and applied: the longer of both is no fault of the link's delay.
      const bytesMs = (switchoverPages * pageBytes * 1000) / link.bytesPerSecond;
      const extra = (await standstill(image, link, destination)) - Math.max(direct, bytesMs);
      const allowed = 1.5 * link.rttMs + 10;
      yield result(`link/${link.name}-extra-downtime`, 'ms', 'lower', extra, {
        '1.5 RTT + 10 ms': allowed,
      });
    }
    for (const { megabits, mebibytes } of cables) {
      if (!hasIperf) break;
      using cable = layCable(megabits);
      if (cable !== undefined) yield await overCable(cable, `${megabits}Mbit`, mebibytes);
    }
  },
};

/** The same over namespaces: real TCP, with a queue that drops. */
async function overCable(cable: Cable, name: string, mebibytes: number): Promise<Result> {
  const { source, destination } = cable;
  using place = await startDestination(
    { kind: 'memory', host: destination.address },
    destination.launcher,
  );
  const to = { host: destination.address, port: place.port, insecure: true };
  const from = { kind: 'memory', regions: 1, regionBytes: mebibytes * 2 ** 20 } as const;
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { firstRound } = await runSource({ to, from, options }, source.launcher);
    ours.push(firstRound.sentBytes / firstRound.durationMs / 1000);
    const rate = await iperf3(rivalSeconds, {
      host: destination.address,
      serverPrefix: destination.prefix,
      clientPrefix: source.prefix,
    });
    theirs.push(rate / 1e6);
  }
  return ofRounds(`link/namespaces-${name}`, 'MB/s', 'higher', ours, { 'iperf3 -P1': theirs });
}

/** Megabytes a second of the first round, all of it sent and acknowledged; of its first seconds, sent, where it takes longer. */
async function firstRound(image: Uint8Array, kind: LinkKind, to: Destination): Promise<number> {
  using way = await openLink(kind, to.port);
  const guest = bufferGuest(image, { tracker: 'marks', handsOver: false });
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const migration = migrate(guest, { host: '127.0.0.1', port: way.port, ...options, signal });
  migration.done.catch(() => {});
  let from = Number.NaN;
  let rate: number | undefined;
  for await (const event of migration) {
    const ms = performance.now() - from;
    if (event.type === 'offered') from = performance.now();
    if (event.type === 'round') rate ??= event.sentBytes / event.durationMs / 1000;
    if (event.type === 'progress' && rate === undefined && ms > longestRoundMs) {
      rate = event.sentBytes / ms / 1000;
      giveUp.abort();
    }
  }
  if (rate === undefined) await migration.done;
  return rate ?? Number.NaN;
}

async function iperfThrough(kind: LinkKind): Promise<number> {
  const opened: OpenLink[] = [];
  try {
    return await iperf3(rivalSeconds, {
      through: async (port) => {
        const link = await openLink(kind, port);
        opened.push(link);
        return link.port;
      },
    });
  } finally {
    for (const link of opened) link[Symbol.dispose]();
  }
}

/**
 * Milliseconds between the last moment the guest could run here and the first it could over there, of a pause for 64 pages: median. Both
 * processes read the same clock.
 */
async function standstill(image: Uint8Array, link: LinkKind, to: Destination): Promise<number> {
  using way = await openLink(link, to.port);
  const gaps: number[] = [];
  for (let round = 0; round < pauses; round++) {
    const fresh = randomFillSync(new Uint8Array(pageBytes));
    let pausedAtMs = Number.NaN;
    const guest = bufferGuest(image, {
      tracker: 'marks',
      pause: () => {
        pausedAtMs = Number(process.hrtime.bigint()) / 1e6;
      },
    });
    const { session } = await transfer(guest, way, options, () => {
      for (let page = 0; page < switchoverPages; page++) {
        const at = page * 2 * pageBytes;
        image.set(fresh, at);
        guest.markDirty(at, pageBytes);
      }
    });
    gaps.push((await to.arrival(session)).resumedAtMs - pausedAtMs);
  }
  return median(gaps);
}
