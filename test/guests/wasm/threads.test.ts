import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { compileCrowd, memoryLimits, startThreads } from '../../../examples/lib/crowd.mjs';
import type { ThreadBarrier } from '../../../src/guests/wasm/thread-barrier.js';
import {
  type WasmGuest,
  type WasmGuestOptions,
  wasmGuest,
} from '../../../src/guests/wasm/wasm-guest.js';
import { instrument, type MapPlace, readLayout } from '../../../src/instrument/index.js';
import { hasMultiMemory } from '../../../src/instrument/place.js';
import { listen } from '../../../src/migration/listen.js';
import { migrate } from '../../../src/migration/migrate.js';

const threads = [0, 1, 2];
const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

interface Crowd {
  readonly guest: WasmGuest;
  readonly exports: CrowdExports;
  readonly pieces: () => number[];
}

interface Offer extends Partial<WasmGuestOptions> {
  /** Nobody sends the maps of the threads. */
  readonly mapless?: boolean;
  readonly offering?: (barrier: ThreadBarrier) => ThreadBarrier;
}

interface CrowdExports {
  work(thread: number): void;
  done(thread: number): number;
  sum(): bigint;
}

let compiled: Promise<Uint8Array<ArrayBuffer>> | undefined;
function bytes(): Promise<Uint8Array<ArrayBuffer>> {
  compiled ??= compileCrowd();
  return compiled;
}

/** Its threads stand at the barrier, until it is resumed. */
async function gather(
  place: MapPlace,
  { mapless = false, offering = (barrier: ThreadBarrier) => barrier, ...options }: Offer = {},
): Promise<Crowd> {
  const { wasm } = instrument(await bytes(), { place });
  const memory = new WebAssembly.Memory(memoryLimits);
  const imports = { env: { memory, abort() {} } };
  const { module, instance } = await WebAssembly.instantiate(wasm, imports);
  const map = readLayout(wasm)?.map;
  const mapName = map?.place === 'second-memory' && !mapless ? map.export : undefined;
  const { barrier, end } = await startThreads({ module, memory, count: threads.length, mapName });
  ending.push(end);
  const guest = await wasmGuest({
    module: wasm,
    instance,
    imports,
    barrier: offering(barrier),
    ...options,
  });
  await guest.pause();
  const exports = instance.exports as unknown as CrowdExports;
  return { guest, exports, pieces: () => threads.map((each) => exports.done(each)) };
}

async function worked({ pieces }: Crowd, count: number): Promise<void> {
  const goals = pieces().map((done) => done + count);
  const isLeft = () => pieces().some((done, thread) => done < (goals[thread] ?? 0));
  while (isLeft()) await sleep(2);
}

async function move(from: Crowd, to: Crowd) {
  const listener = await listen({ accept: () => to.guest });
  ending.push(() => listener.close());
  const where = { host: '127.0.0.1', port: listener.port, maxDowntimeMs: 500 };
  return migrate(from.guest, where).done;
}

/** What threads hold that never moved, after so many pieces each. */
async function sumAfter(pieces: readonly number[]): Promise<bigint> {
  const imports = { env: { memory: new WebAssembly.Memory(memoryLimits), abort() {} } };
  const { instance } = await WebAssembly.instantiate(await bytes(), imports);
  const exports = instance.exports as unknown as CrowdExports;
  for (const [thread, count] of pieces.entries()) {
    for (let piece = 0; piece < count; piece++) exports.work(thread);
  }
  return exports.sum();
}

const ways: readonly (readonly [string, MapPlace, boolean])[] = [
  ['found by hashing', 'none', false],
  ...(hasMultiMemory()
    ? ([
        ['noted in a map each', 'second-memory', true],
        ['noted in maps that nobody sent here', 'second-memory', false],
      ] as const)
    : []),
];

describe.each(ways)('threads that share a memory, their writes %s', (_, place, isExact) => {
  it('move while they work, and back again, as if they never had', async () => {
    const options = { hostWrites: 'known' as const, mapless: !isExact };
    const [here, there] = [await gather(place, options), await gather(place, options)];
    expect(here.guest.tracker?.exact).toBe(isExact);
    await here.guest.resume();
    await worked(here, 100);
    const first = await move(here, there);
    const handedOver = here.pieces();
    await worked(there, 100);
    expect(here.pieces()).toEqual(handedOver);
    const second = await move(there, here);
    await worked(here, 100);
    await here.guest.pause();
    for (const report of [first, second]) {
      expect(report).toMatchObject({ verified: 'memory', repaired: 0 });
    }
    expect(here.pieces().every((done, thread) => done >= (handedOver[thread] ?? 0) + 200)).toBe(
      true,
    );
    expect(here.exports.sum()).toBe(await sumAfter(here.pieces()));
    expect(here.guest.memory.buffer.byteLength).toBeGreaterThan(memoryLimits.initial * 65536);
    expect(here.guest.generation).toBe(2);
  });
});

describe('a barrier', () => {
  it('that not all come to in time fails the migration, and all work on', async () => {
    let isDeaf = false;
    const offering = (barrier: ThreadBarrier): ThreadBarrier => ({
      ...barrier,
      async enter() {
        await barrier.enter();
        if (isDeaf) await new Promise(() => {});
      },
    });
    const [here, there] = [await gather('none', { offering, maxCallMs: 50 }), await gather('none')];
    await here.guest.resume();
    await worked(here, 10);
    isDeaf = true;
    await expect(move(here, there)).rejects.toMatchObject({
      code: 'ERR_GUEST',
      message: expect.stringContaining('threads did not stand still'),
    });
    await worked(here, 10);
    isDeaf = false;
    await move(here, there);
    await worked(there, 10);
  });

  it('is what a program with shared memory has, or it is refused', async () => {
    const { wasm } = instrument(await bytes(), { place: 'none' });
    const imports = { env: { memory: new WebAssembly.Memory(memoryLimits), abort() {} } };
    await expect(wasmGuest({ module: wasm, imports })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
  });
});
