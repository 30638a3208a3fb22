// The other end of the whole-program benches, in a process of its own. Argument: a job as JSON. Tells its parent the port, then each arrival.
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { receiveLedger } from '../src/guests/ledger.js';
import { receiveSqlite } from '../src/guests/sqlite.js';
import type { Guest, IncomingOffer } from '../src/index.js';
import { bufferGuest, fileDestination, listen, MarksTracker, memoryRegion } from '../src/index.js';
import type { DestinationJob, ProfileOrder } from './destination.js';
import { peakBytes } from './memory-peak.js';
import { Profiler } from './profiler.js';

const job: DestinationJob = JSON.parse(process.argv[2] ?? '{}');
const say = (message: unknown): void => void process.send?.(message);
let profiler: Profiler | undefined;
process.on('message', async (order: ProfileOrder) => {
  const profile = await profiler?.stop();
  profiler = order === 'begin-profile' ? await Profiler.start() : undefined;
  say({ profile });
});
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

if (job.kind === 'pipe') {
  const server = createServer(async (socket) => {
    await pipeline(socket, createWriteStream(job.path));
    say({ session: '', peakBytes: peakBytes() });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) say({ port: address.port });
  });
} else if (job.kind === 'guests') {
  const listener = await listen({ maxImageBytes: 2 ** 30, accept: placeFor });
  say({ port: listener.port });
  for await (const event of listener) {
    if (event.type === 'arrived') await event.arrival.guest.pause();
  }
} else {
  const { host = '127.0.0.1' } = job;
  const token = job.kind === 'memory' ? job.token : undefined;
  const trust =
    token === undefined
      ? { insecure: host !== '127.0.0.1' }
      : { token, tokenUses: Number.POSITIVE_INFINITY, tokenTtlMs: Number.POSITIVE_INFINITY };
  const memories = new Map<string, Uint8Array>();
  let resumedAtMs = 0;
  const listener = await listen({
    host,
    ...trust,
    maxImageBytes: 64 * 2 ** 30,
    accept: (offer) =>
      job.kind === 'file'
        ? fileDestination(job.path, { byteLength: offer.byteLength, sparse: true })
        : memoryGuest(offer),
  });
  say({ port: listener.port });
  for await (const event of listener) {
    if (event.type === 'arrived') {
      const { session } = event.arrival;
      say({ session, resumedAtMs, peakBytes: peakBytes() });
    }
  }

  /** Warm: memory of the same length and id takes every migration after the first. */
  function memoryGuest(offer: IncomingOffer): Guest {
    const regions = offer.regions.map(({ id, name, byteLength }) => {
      const key = `${id} ${byteLength}`;
      const warm = memories.get(key);
      const memory = warm ?? new Uint8Array(byteLength);
      memories.set(key, memory);
      const held = job.kind === 'memory' && job.held === true;
      return memoryRegion({ id, name, bytes: () => memory, fresh: warm === undefined, held });
    });
    return {
      ...bufferGuest(new Uint8Array(0), { handsOver: offer.handsOver }),
      regions,
      tracker: new MarksTracker(regions),
      async resume() {
        resumedAtMs = nowMs();
      },
    };
  }
}

async function placeFor({ kind, byteLength, regions }: IncomingOffer): Promise<Guest> {
  const maxByteLength = regions[0]?.maxByteLength ?? 0;
  if (kind === 'ledger') return receiveLedger(byteLength, maxByteLength);
  if (kind === 'sqlite') return receiveSqlite({ sizeMiB: maxByteLength / 2 ** 20 });
  return bufferGuest(new Uint8Array(byteLength));
}
