import { bufferGuest, type MigrateOptions } from '../src/index.js';
import { startDestination } from './destination.js';
import { median, type Result, result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { Profiler, parts, profileName, type Shares } from './profiler.js';
import { transfer } from './transfer.js';

const mebibytes = 256;
const stretchPages = 16;
const warmups = 3;
const rounds = 5;
const options: MigrateOptions = { settle: 'first', cpuShare: 1 };
const contestants: Readonly<Record<string, MigrateOptions>> = {
  warm: options,
  'warm-without-shadow': { ...options, shadowBytes: 0 },
};

export const suite: Suite = {
  question:
    'Where do both threads spend the time of a warm migration of 256 MiB, 40 % zero, as the pipeline suite has it?',
  async *run() {
    const bytes = makeImage(mebibytes * 2 ** 20, 0.4, stretchPages);
    for (const [name, each] of Object.entries(contestants)) yield* profiled(name, bytes, each);
  },
};

async function* profiled(
  name: string,
  bytes: Uint8Array,
  each: MigrateOptions,
): AsyncGenerator<Result> {
  using place = await startDestination({ kind: 'memory' });
  const moveOnce = () =>
    transfer(bufferGuest(bytes, { tracker: 'marks', handsOver: false }), place, each);
  for (let round = 0; round < warmups; round++) await moveOnce();
  const ends: { source: Shares[]; destination: Shares[] } = { source: [], destination: [] };
  for (let round = 0; round < rounds; round++) {
    await place.beginProfile();
    const profiler = await Profiler.start();
    await moveOnce();
    ends.source.push(await profiler.stop());
    ends.destination.push(await place.endProfile());
  }
  for (const end of ['source', 'destination'] as const) {
    for (const part of parts) {
      const ms = median(ends[end].map((shares) => shares[part]));
      yield result(profileName(name, end, part), 'ms', 'lower', ms, {});
    }
  }
}
