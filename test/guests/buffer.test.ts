import { describe, expect, it } from 'vitest';
import { type BufferGuest, type BufferGuestOptions, bufferGuest } from '../../src/guests/buffer.js';
import { Pump } from '../../src/guests/pump.js';
import { DirtyBitmap } from '../../src/memory/bitmap.js';
import type { Region } from '../../src/memory/region.js';
import { type GuestSubject, guestConformance } from '../conformance/guest.js';

function regionOf(guest: BufferGuest): Region {
  const [region] = guest.regions;
  if (region === undefined) throw new Error('a buffer guest has a region');
  return region;
}

/** A program in plain JavaScript: cell n % cells holds the last n that wrote it. The count is its state. */
function counterOf(byteLength: number): GuestSubject {
  const memory = new Uint8Array(byteLength);
  const cells = new Uint32Array(memory.buffer);
  let count = 0;
  let commits = 0;
  const pump = new Pump(
    () => {
      count++;
      commits++;
      cells[count % cells.length] = count;
      guest.markDirty((count % cells.length) * 4, 4);
    },
    { stepsPerTurn: 1 },
  );
  const guest = bufferGuest(memory, {
    tracker: 'marks',
    version: 'counter 1',
    pause: () => pump.stop(),
    resume: () => pump.start(),
    saveState: () => Uint8Array.from([1, count, count >> 8, count >> 16]),
    loadState: (state) => {
      if (state.byteLength !== 4 || state[0] !== 1) {
        throw Object.assign(new Error('not a count'), { code: 'ERR_GUEST' });
      }
      count = new DataView(state.buffer, state.byteOffset).getUint32(0, true) >>> 8;
    },
  });
  return {
    guest,
    commits: () => commits,
    damage: () => {
      const wrong: string[] = [];
      for (let back = 0; back < cells.length && count - back > 0; back++) {
        const cell = (count - back) % cells.length;
        if (cells[cell] !== count - back) wrong.push(`cell ${cell}`);
      }
      return wrong;
    },
  };
}

guestConformance('a buffer with a program of its own', {
  grows: false,
  source: async () => counterOf(3 * 4096 + 52),
  destination: async () => counterOf(3 * 4096 + 52),
  malformedStates: [new Uint8Array(), Uint8Array.from([2, 0, 0, 0])],
});

describe('a buffer guest', () => {
  const kinds: [string, () => ArrayBufferLike | Uint8Array][] = [
    ['an ArrayBuffer', () => new ArrayBuffer(5000)],
    ['a SharedArrayBuffer', () => new SharedArrayBuffer(5000)],
    ['a Buffer that is part of a pool', () => Buffer.alloc(6000).subarray(500, 5500)],
    ['a Uint8Array', () => new Uint8Array(5000)],
  ];

  it.each(kinds)('reads and writes %s, up to its end and no further', async (_name, make) => {
    const region = regionOf(bufferGuest(make()));
    expect(region.byteLength).toBe(5000);
    await region.write(4998, Uint8Array.of(7, 8));
    const into = new Uint8Array(10);
    expect(await region.read(4997, into)).toBe(3);
    expect([...into.subarray(0, 4)]).toEqual([0, 7, 8, 0]);
    expect(() => region.write(4999, Uint8Array.of(1, 2))).toThrow(RangeError);
    expect(() => region.write(-1, Uint8Array.of(1))).toThrow(RangeError);
    expect(() => region.read(-1, into)).toThrow(RangeError);
    expect(() => region.grow(5001)).toThrow(
      expect.objectContaining({ code: 'ERR_REGION_TOO_LARGE' }),
    );
  });

  it('takes shared memory as written by others, unless told otherwise', () => {
    expect(regionOf(bufferGuest(new SharedArrayBuffer(8))).concurrent).toBe(true);
    expect(regionOf(bufferGuest(new SharedArrayBuffer(8), { concurrent: false })).concurrent).toBe(
      false,
    );
    expect(regionOf(bufferGuest(new ArrayBuffer(8))).concurrent).toBe(false);
  });

  it('grows a WebAssembly memory by whole pages and finds its new buffer', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
    const region = regionOf(bufferGuest(memory, { maxByteLength: 4 * 65536 }));
    const before = region.memory?.();
    region.grow(3 * 65536);
    expect(memory.buffer.byteLength).toBe(3 * 65536);
    expect(before?.byteLength).toBe(0);
    expect(region.memory?.().byteLength).toBe(3 * 65536);
    expect(() => region.grow(3 * 65536 + 1)).toThrow(RangeError);
    expect(() => region.grow(65536)).toThrow(RangeError);
    expect(() => region.grow(5 * 65536)).toThrow(
      expect.objectContaining({ code: 'ERR_REGION_TOO_LARGE' }),
    );
  });

  it('follows a WebAssembly memory that its own program grew', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const guest = bufferGuest(memory, { maxByteLength: 4 * 65536 });
    memory.grow(1);
    expect(regionOf(guest).byteLength).toBe(2 * 65536);
  });

  it.each([
    ['ArrayBuffer', ArrayBuffer],
    ['SharedArrayBuffer', SharedArrayBuffer],
  ])('grows a resizable %s up to what it allows', (_name, Kind) => {
    const buffer: ArrayBufferLike = Reflect.construct(Kind, [4096, { maxByteLength: 10_000 }]);
    const region = regionOf(bufferGuest(buffer));
    expect(region.maxByteLength).toBe(10_000);
    region.grow(9_999);
    expect(region.memory?.().byteLength).toBe(9_999);
    expect(() => region.grow(10_001)).toThrow(
      expect.objectContaining({ code: 'ERR_REGION_TOO_LARGE' }),
    );
  });

  it('names the pages that were marked dirty, once', () => {
    const guest = bufferGuest(new ArrayBuffer(10 * 4096), { tracker: 'marks' });
    const marks = DirtyBitmap.create(10);
    guest.tracker.start();
    guest.markDirty(4095, 2);
    guest.markDirty(9 * 4096, 1);
    guest.tracker.take(regionOf(guest), marks);
    expect([0, 1, 2, 8, 9].map((page) => marks.test(page))).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
    marks.clearAll();
    guest.tracker.take(regionOf(guest), marks);
    expect(marks.count()).toBe(0);
    expect(guest.tracker.exact).toBe(true);
  });

  it.each(['hash', 'compare'] as const)(
    'names every page where %s finds the changes',
    (tracker) => {
      const guest = bufferGuest(new ArrayBuffer(10 * 4096), { tracker });
      const marks = DirtyBitmap.create(10);
      guest.tracker.take(regionOf(guest), marks);
      expect(marks.count()).toBe(10);
      expect(guest.tracker.exact).toBe(false);
      guest.markDirty(0, 1);
    },
  );

  it('gives other threads the marks of shared memory to write to', () => {
    const shared = bufferGuest(new SharedArrayBuffer(4096), { tracker: 'marks' });
    expect(shared.marks?.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(bufferGuest(new ArrayBuffer(8)).marks).toBeUndefined();
  });

  it('is fresh until it was written, or handed out to be', async () => {
    expect(regionOf(bufferGuest(new ArrayBuffer(8))).fresh).toBe(false);
    const written = regionOf(bufferGuest(new ArrayBuffer(8), { fresh: true }));
    expect(written.fresh).toBe(true);
    await written.write(0, Uint8Array.of(1));
    expect(written.fresh).toBe(false);
    const handedOut = regionOf(bufferGuest(new ArrayBuffer(8), { fresh: true }));
    handedOut.memory?.();
    expect(handedOut.fresh).toBe(false);
  });

  it('starts the program at the destination, where nothing was paused before', async () => {
    const calls: string[] = [];
    const guest = bufferGuest(new ArrayBuffer(8), {
      pause: () => void calls.push('pause'),
      resume: () => void calls.push('resume'),
    });
    await guest.resume();
    await guest.resume();
    await guest.pause();
    await guest.pause();
    await guest.resume();
    expect(calls).toEqual(['resume', 'pause', 'resume']);
  });

  it('lets the program go on where stopping it failed', async () => {
    const calls: string[] = [];
    const guest = bufferGuest(new ArrayBuffer(8), {
      pause: () => {
        throw new Error('will not stop');
      },
      resume: () => void calls.push('resume'),
    });
    await expect(guest.pause()).rejects.toThrow('will not stop');
    await guest.resume();
    expect(calls).toEqual(['resume']);
  });

  it('takes no state that nobody here knows', async () => {
    const guest = bufferGuest(new ArrayBuffer(8));
    expect(await guest.saveState()).toEqual(new Uint8Array());
    await guest.loadState(new Uint8Array());
    await expect(guest.loadState(Uint8Array.of(1))).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  const mistakes: [string, BufferGuestOptions][] = [
    ['a maximum below its length', { maxByteLength: 4 }],
    ['a maximum that a fixed buffer cannot reach', { maxByteLength: 16 }],
  ];
  it.each(mistakes)('refuses %s', (_name, options) => {
    expect(() => bufferGuest(new ArrayBuffer(8), options)).toThrow(RangeError);
  });

  it('refuses a way to save state without one to load it', () => {
    expect(() => bufferGuest(new ArrayBuffer(8), { saveState: () => new Uint8Array() })).toThrow(
      TypeError,
    );
  });
});
