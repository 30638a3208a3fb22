import { once } from 'node:events';
import { createReadStream, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { bufferGuest, fileGuest, type MigrateOptions, newToken } from '../src/index.js';
import { type DestinationJob, startDestination } from './destination.js';
import { ofRounds, type Result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { freePort, installed, iperf3, shell, together } from './programs.js';
import { type Transfer, transfer } from './transfer.js';

const mebibytes = 256;
/** What is zero lies together, as where an allocator left it. */
const stretchPages = 16;
const rounds = 5;
const options: MigrateOptions = { settle: 'first', cpuShare: 1 };

/**
 * `cold`: to a process that never held anything; `warm`: over what the last migration brought; without the memory for deltas, which an idle
 * guest has no use for, with a checksum of every frame and without; `tls`: warm, behind a token; `file`: from file to file, as the others do it.
 */
const contestants = [
  'cold',
  'warm',
  'warm-without-shadow',
  'warm-without-checksum',
  'tls',
  'file',
] as const;

export const suite: Suite = {
  question:
    'How long does an idle image of 256 MiB, 40 % zero, take from its offer until it runs in another process, verified, beside what copies bytes?',
  async *run() {
    const bytes = makeImage(mebibytes * 2 ** 20, 0.4, stretchPages);
    // Where no disk takes part, if there is such a place.
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pageferry-'));
    try {
      const image = join(folder, 'image');
      writeFileSync(image, bytes);
      yield* race(bytes, image, join(folder, 'copy'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

async function* race(bytes: Uint8Array, image: string, copy: string): AsyncGenerator<Result> {
  const memory = () => bufferGuest(bytes, { tracker: 'marks', handsOver: false });
  using warmPlace = await startDestination({ kind: 'memory' });
  await transfer(memory(), warmPlace, options);
  const token = newToken();
  using tlsPlace = await startDestination({ kind: 'memory', token });
  const overTls = { port: tlsPlace.port, token };
  await transfer(memory(), overTls, options);
  const move: Record<(typeof contestants)[number], () => Promise<Transfer>> = {
    cold: () => toFreshPlace({ kind: 'memory' }, (port) => transfer(memory(), { port }, options)),
    warm: () => transfer(memory(), warmPlace, options),
    'warm-without-shadow': () => transfer(memory(), warmPlace, { ...options, shadowBytes: 0 }),
    'warm-without-checksum': () =>
      transfer(memory(), warmPlace, { ...options, shadowBytes: 0, checksum: 'never' }),
    tls: () => transfer(memory(), overTls, { ...options, shadowBytes: 0 }),
    file: () => toFreshPlace({ kind: 'file', path: copy }, (port) => sendFile(image, port)),
  };
  const rivals = rivalsOf(image, copy);
  const ours = new Map<string, Transfer[]>(contestants.map((name) => [name, []]));
  const theirs = new Map<string, number[]>(rivals.map(({ name }) => [name, []]));
  const link: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of rivals) {
      rmSync(copy, { force: true });
      theirs.get(name)?.push(await run());
    }
    rmSync(copy, { force: true });
    for (const name of contestants) ours.get(name)?.push(await move[name]());
    if (installed('iperf3')) link.push(await iperf3(1));
  }
  for (const [name, transfers] of ours) {
    yield ofRounds(
      `pipeline/${name}`,
      'ms',
      'lower',
      transfers.map(({ fromOfferMs }) => fromOfferMs),
      Object.fromEntries(theirs),
    );
    yield ofRounds(
      `pipeline/${name}-link`,
      'GB/s',
      'higher',
      transfers.map(({ report, fromOfferMs }) => report.bytesSent / fromOfferMs / 1e6),
      link.length > 0 ? { 'iperf3 -P1': link.map((rate) => rate / 1e9) } : {},
    );
  }
  yield* costs(ours);
}

/** CPU time of the source for each gigabyte that left, of what goes over TLS and of what does not. */
function* costs(ours: ReadonlyMap<string, readonly Transfer[]>): Generator<Result> {
  const perGigabyte = (name: string): number[] =>
    (ours.get(name) ?? []).map(({ report }) => report.cpuMs / (report.bytesSent / 1e6));
  yield ofRounds('pipeline/tls-cpu', 's/GB', 'lower', perGigabyte('tls'), {
    'plain TCP': perGigabyte('warm-without-shadow'),
  });
}

async function sendFile(path: string, port: number): Promise<Transfer> {
  const guest = await fileGuest(path);
  try {
    return await transfer(guest, { port }, options);
  } finally {
    await guest.close();
  }
}

async function toFreshPlace(
  job: DestinationJob,
  run: (port: number) => Promise<Transfer>,
): Promise<Transfer> {
  using place = await startDestination(job);
  return await run(place.port);
}

interface Rival {
  readonly name: string;
  /** Milliseconds until `copy` holds what `image` does. */
  readonly run: () => Promise<number>;
}

/** Each copies the file `image` to `copy`, which is not there before. */
function rivalsOf(image: string, copy: string): readonly Rival[] {
  const netcat = async (say: string, hear: string): Promise<number> => {
    const port = await freePort();
    const { ms } = await together(
      `nc -l 127.0.0.1 ${port} ${hear} ${copy}`,
      `${say} ${image} | nc -N 127.0.0.1 ${port}`,
    );
    return ms;
  };
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const from = performance.now();
    await work();
    return performance.now() - from;
  };
  const rivals = [
    { name: 'cat | nc', needs: ['nc'], run: () => netcat('cat', '>') },
    {
      name: 'zstd -1 | nc',
      needs: ['zstd', 'nc'],
      run: () => netcat('zstd -1 -c', '| zstd -d -q -o'),
    },
    {
      name: 'rsync -W',
      needs: ['rsync'],
      run: () => timed(() => shell(`rsync -W ${image} ${copy}`)),
    },
    { name: 'fs pipe', needs: [], run: () => pipeOnce(image, copy) },
  ];
  return rivals.filter(({ needs }) => installed(...needs));
}

/** Streams of Node: a file through a socket to a file of a process that is there already. */
async function pipeOnce(image: string, copy: string): Promise<number> {
  using place = await startDestination({ kind: 'pipe', path: copy });
  const arrived = place.arrival();
  const from = performance.now();
  const socket = connect({ host: '127.0.0.1', port: place.port });
  await once(socket, 'connect');
  await pipeline(createReadStream(image), socket);
  await arrived;
  return performance.now() - from;
}
