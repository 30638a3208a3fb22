import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Guest } from '../../../src/guests/guest.js';
import { wasmGuest } from '../../../src/guests/wasm/wasm-guest.js';
import { instrument } from '../../../src/instrument/index.js';
import { hasMultiMemory } from '../../../src/instrument/place.js';
import { type Listener, listen } from '../../../src/migration/listen.js';
import { migrate } from '../../../src/migration/migrate.js';
import { guestConformance } from '../../conformance/guest.js';
import { type Garden, gardenBytes, plantGarden, sumAfter } from './garden.js';

const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close();
});

async function move(guest: Guest, to: Guest) {
  const listener = await listen({ accept: () => to });
  open.push(listener);
  return migrate(guest, { host: '127.0.0.1', port: listener.port, maxDowntimeMs: 200 }).done;
}

async function worked({ exports }: Garden, steps: number): Promise<void> {
  const goal = exports.stepsDone() + steps;
  while (exports.stepsDone() < goal) await new Promise((resolve) => setTimeout(resolve, 1));
}

const places = hasMultiMemory()
  ? (['second-memory', 'behind-maximum', 'none'] as const)
  : (['behind-maximum', 'none'] as const);

guestConformance('a WebAssembly program', {
  grows: true,
  async source() {
    return subject(await plantGarden());
  },
  async destination() {
    return subject(await plantGarden());
  },
  malformedStates: [new Uint8Array(), new Uint8Array(8192).fill(1), new Uint8Array(12288)],
});

async function subject(garden: Garden) {
  const { guest, exports } = garden;
  return { guest, commits: () => exports.stepsDone(), damage: () => [] };
}

describe.each(places)('a program with its map in %s', (place) => {
  it.each(['known', 'compare'] as const)(
    'moves while it works, and back again, as one that never moved (%s host writes)',
    async (hostWrites) => {
      const here = await plantGarden({ hostWrites }, { place });
      const there = await plantGarden({ hostWrites }, { place });
      await here.guest.resume();
      await worked(here, 100);
      const first = await move(here.guest, there.guest);
      const handedOver = here.exports.stepsDone();
      await worked(there, 40);
      expect(first).toMatchObject({ verified: 'memory', repaired: 0 });
      expect(here.exports.stepsDone()).toBe(handedOver);
      const back = await move(there.guest, here.guest);
      await worked(here, 40);
      await here.guest.pause();
      expect(back).toMatchObject({ verified: 'memory', repaired: 0 });
      expect(here.exports.sum()).toBe(await sumAfter(here.exports.stepsDone()));
      expect(here.guest.generation).toBe(2);
    },
  );
});

describe('a program', () => {
  it('is told of its generation before its first call, and keeps what it makes of it', async () => {
    const here = await plantGarden();
    const seen: string[] = [];
    const there = await plantGarden({
      onGeneration({ number, seed }) {
        seen.push(`generation ${number}, ${seed.length} bytes, at ${there.exports.stepsDone()}`);
        there.exports.reseed(seed[0] ?? 0);
      },
    });
    await here.guest.resume();
    await worked(here, 30);
    await move(here.guest, there.guest);
    const handedOver = here.exports.stepsDone();
    await worked(there, 30);
    await there.guest.pause();
    expect(seen).toEqual([`generation 1, 32 bytes, at ${handedOver}`]);
    expect(there.exports.sum()).not.toBe(await sumAfter(there.exports.stepsDone()));
    expect(here.guest.generation).toBe(0);
  });

  it('lets nobody who waited call it before it was told, however long that takes', async () => {
    const here = await plantGarden();
    const told: number[] = [];
    const there = await plantGarden({
      async onGeneration() {
        await sleep(5);
        told.push(there.exports.stepsDone());
      },
      resume() {},
    });
    await there.guest.pause();
    const waiting = there.guest.run(() => there.exports.step());
    await here.guest.resume();
    await worked(here, 10);
    await move(here.guest, there.guest);
    await waiting;
    expect(told).toEqual([here.exports.stepsDone()]);
  });

  it('cannot be called where it could not be told, or could not go on, and is told the same again', async () => {
    const seen: number[] = [];
    const refuse = (what: string): void => {
      if (refusals.delete(what)) throw new Error('no');
    };
    const refusals = new Set(['told', 'resumed']);
    const { guest, exports } = await plantGarden({
      onGeneration({ number }) {
        seen.push(number);
        refuse('told');
      },
      resume: () => refuse('resumed'),
    });
    const step = guest.exports['step'] as () => void;
    await guest.pause();
    await guest.loadState(await guest.saveState());
    const waiting = guest.run(step);
    for (let time = 0; time < 2; time++) {
      await expect(guest.resume()).rejects.toThrow('no');
      expect(step).toThrow(expect.objectContaining({ code: 'ERR_GUEST' }) as Error);
      if (time === 0) expect(guest.generation).toBe(0);
    }
    await guest.resume();
    await waiting;
    expect(seen).toEqual([1, 1]);
    expect(exports.stepsDone()).toBe(1);
  });

  it('cannot be called while it arrives, though nobody paused it before', async () => {
    const here = await plantGarden();
    const there = await plantGarden({ resume() {} });
    const load = there.guest.loadState.bind(there.guest);
    const waiting: Promise<void>[] = [];
    there.guest.loadState = async (state) => {
      await load(state);
      waiting.push(there.guest.run(() => there.exports.step()));
      await sleep(1);
      expect(there.exports.stepsDone()).toBe(0);
    };
    await move(here.guest, there.guest);
    await Promise.all(waiting);
    expect(waiting.length).toBeGreaterThan(0);
    expect(there.exports.stepsDone()).toBe(waiting.length);
  });

  it('runs on as the same copy where a migration failed', async () => {
    const here = await plantGarden();
    const there = await plantGarden();
    await here.guest.resume();
    there.guest.loadState = () => Promise.reject(new Error('no'));
    await expect(move(here.guest, there.guest)).rejects.toMatchObject({ code: 'ERR_GUEST' });
    await worked(here, 20);
    await here.guest.pause();
    expect(here.guest.generation).toBe(0);
    expect(here.exports.sum()).toBe(await sumAfter(here.exports.stepsDone()));
  });

  it('is refused where another one is', async () => {
    const here = await plantGarden();
    const there = await plantGarden({}, { prefix: 'other_' });
    await expect(move(here.guest, there.guest)).rejects.toMatchObject({ code: 'ERR_INCOMPATIBLE' });
    const elsewhere = await plantGarden({ version: '2' });
    await expect(move(here.guest, elsewhere.guest)).rejects.toMatchObject({
      code: 'ERR_INCOMPATIBLE',
    });
  });

  it('is ERR_MISSED_WRITE where its memory is written as nobody said', async () => {
    const here = await plantGarden({ hostWrites: 'known' });
    const there = await plantGarden({ hostWrites: 'known' });
    const bytes = () => new Uint8Array(here.exports.memory.buffer);
    const timer = setInterval(() => {
      const view = bytes();
      view[200_000] = (view[200_000] ?? 0) + 1;
    }, 1);
    try {
      await expect(move(here.guest, there.guest)).rejects.toMatchObject({
        code: 'ERR_MISSED_WRITE',
      });
    } finally {
      clearInterval(timer);
    }
  });

  it.each([
    {
      how: 'by methods, where host writes are known',
      hostWrites: 'known' as const,
      write: (bytes: Uint8Array, value: number) => bytes.fill(value, 4090, 4190),
    },
    {
      how: 'in any way, where they are compared',
      hostWrites: 'compare' as const,
      write(bytes: Uint8Array, value: number) {
        bytes[4095] = value;
        bytes[4096] = value;
      },
    },
  ])('may be written by JavaScript $how', async ({ hostWrites, write }) => {
    const bytesOf = ({ exports }: Garden) => new Uint8Array(exports.memory.buffer);
    let writes = 0;
    const here: Garden = await plantGarden({
      hostWrites,
      pause() {
        clearInterval(timer);
        write(bytesOf(here), ++writes);
      },
    });
    const there = await plantGarden({ hostWrites, resume() {} });
    const timer = setInterval(() => write(bytesOf(here), ++writes), 1);
    await move(here.guest, there.guest);
    expect(bytesOf(here)[4095]).toBe(writes % 256);
    expect(
      Buffer.compare(bytesOf(here).subarray(0, 65536), bytesOf(there).subarray(0, 65536)),
    ).toBe(0);
  });

  it('is as long as its memory is at one look, while another thread makes it longer', async () => {
    const { wasm } = instrument(await gardenBytes(), { place: 'none' });
    const { instance } = await WebAssembly.instantiate(wasm, { env: { abort() {} } });
    let pages = 4;
    const memory = {
      get buffer() {
        return new ArrayBuffer(65_536 * pages++);
      },
      grow: () => 0,
    };
    const { regions } = await wasmGuest({ module: wasm, instance, memory });
    expect(regions[0]?.memory?.().byteLength).toBeGreaterThanOrEqual(4 * 65_536);
  });

  it('can be called still where it was given back and what should start it fails', async () => {
    const { guest, exports } = await plantGarden({
      resume() {
        throw new Error('no');
      },
    });
    await guest.pause();
    await expect(guest.resume()).rejects.toThrow('no');
    await guest.run(() => exports.step());
    expect(exports.stepsDone()).toBe(1);
  });

  it('cannot be called while it is paused', async () => {
    const { guest, exports } = await plantGarden();
    const step = guest.exports['step'];
    if (typeof step !== 'function') throw new Error('step is not exported');
    step();
    await guest.pause();
    expect(() => step()).toThrow(expect.objectContaining({ code: 'ERR_GUEST' }) as Error);
    expect(exports.stepsDone()).toBe(1);
    expect(Object.keys(guest.exports).some((name) => name.startsWith('__pageferry_'))).toBe(false);
  });

  it('is refused as the compiler made it: nobody could see its globals', async () => {
    const module = await gardenBytes();
    await expect(wasmGuest({ module, imports: { env: { abort() {} } } })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
  });

  it('is instantiated where it is given only what it is made of', async () => {
    const { wasm } = instrument(await gardenBytes());
    const guest = await wasmGuest({ module: wasm, imports: { env: { abort() {} } } });
    const { stepsDone } = guest.exports;
    expect(typeof stepsDone === 'function' && stepsDone()).toBe(0);
  });
});
