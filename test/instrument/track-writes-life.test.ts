import crypto from 'node:crypto';
import fs, { readSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AnyFunction, Patches } from '../../src/instrument/hook.js';
import { trackWrites } from '../../src/instrument/track-writes.js';
import { Watches, type WriteTarget } from '../../src/instrument/watched-buffers.js';
import { type Tracked, track as trackOnly } from './tracking.js';

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const owners: readonly object[] = [
  typedArray,
  Uint8Array.prototype,
  DataView.prototype,
  Atomics,
  TextEncoder.prototype,
  Buffer.prototype,
  fs,
  crypto,
  Object.getPrototypeOf(globalThis.crypto),
];
const descriptors = () => owners.map((owner) => Object.getOwnPropertyDescriptors(owner));

function track(target: WriteTarget): Tracked {
  const tracked = trackOnly(target);
  onTestFinished(() => tracked.stop());
  return tracked;
}

/** A property of somebody's, as it is now. */
const functionAt = (owner: object, key: string): AnyFunction =>
  Object.getOwnPropertyDescriptor(owner, key)?.value;

describe('the functions of the platform', () => {
  test('are put back as they were when the last one stops', () => {
    const before = descriptors();
    const [first, second] = [track(new Uint8Array(8)), track(new Uint8Array(8))];
    expect(functionAt(typedArray, 'set')).not.toBe(before[0]?.['set']?.value);
    first.stop();
    first.stop();
    expect(functionAt(typedArray, 'set')).not.toBe(before[0]?.['set']?.value);
    second.stop();
    for (const [at, owned] of descriptors().entries()) {
      expect(Reflect.ownKeys(owned)).toEqual(Reflect.ownKeys(before[at] ?? {}));
      for (const key of Object.keys(owned)) {
        expect(owned[key]?.value, key).toBe(before[at]?.[key]?.value);
        expect(owned[key], key).toEqual(before[at]?.[key]);
      }
    }
  });

  test('keep names, lengths, flags and whatever else they have, and are no constructors', () => {
    const before = descriptors();
    track(new Uint8Array(8));
    let hooks = 0;
    for (const [at, owned] of descriptors().entries()) {
      for (const key of Reflect.ownKeys(owned)) {
        const [now, then] = [Reflect.get(owned, key), Reflect.get(before[at] ?? {}, key)];
        if (now.value === then.value) continue;
        hooks++;
        expect({ ...now, value: 0 }).toEqual({ ...then, value: 0 });
        expect(Object.getOwnPropertyDescriptors(now.value)).toEqual(
          Object.getOwnPropertyDescriptors(then.value),
        );
        expect(() => Reflect.construct(Object, [], now.value)).toThrow(TypeError);
      }
    }
    expect(hooks).toBeGreaterThan(70);
    expect(functionAt(Buffer.prototype, 'writeUint8')).toBe(
      functionAt(Buffer.prototype, 'writeUInt8'),
    );
  });

  test('reach those that import them by name', () => {
    const before = readSync;
    const tracked = track(new Uint8Array(8));
    expect(readSync).toBe(fs.readSync);
    expect(readSync).not.toBe(before);
    tracked.stop();
    expect(readSync).toBe(before);
  });

  test.each<[string, PropertyDescriptor]>([
    ['frozen', { configurable: false, writable: false }],
    ['given by a getter', { configurable: false, get: () => () => 2 }],
  ])('stay as they are where one of them is %s', (_, how) => {
    const owner = { first: () => 1, second: () => 2 };
    Object.defineProperty(owner, 'second', how);
    const before = { ...owner };
    const hooking = (original: AnyFunction) => () => original();
    const hooks = ['first', 'second', 'third'].map((key) => ({ owner, key, hooking }));
    expect(() => new Patches(hooks, new Watches())).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    expect(owner.first).toBe(before.first);
  });

  test.each([[undefined], [{}], [{ buffer: new Uint8Array(4) }]])(
    'stay as they are for a target without a buffer',
    (target) => {
      const before = functionAt(typedArray, 'set');
      expect(() => trackWrites(target as unknown as WriteTarget, () => {})).toThrow(TypeError);
      const onWrite = undefined as unknown as () => void;
      expect(() => trackWrites(new Uint8Array(4), onWrite)).toThrow(TypeError);
      expect(functionAt(typedArray, 'set')).toBe(before);
    },
  );
});

describe('somebody else who patches the same function', () => {
  /** Puts a function over what is there, that counts its calls and calls it. */
  function patchOver(): { readonly calls: () => number; readonly original: AnyFunction } {
    const original = functionAt(typedArray, 'fill');
    let calls = 0;
    const value = function (this: unknown, ...args: unknown[]) {
      calls++;
      return Reflect.apply(original, this, args);
    };
    Object.defineProperty(typedArray, 'fill', { value });
    return { calls: () => calls, original };
  }

  test('meanwhile stays, is called, and what is below works on', () => {
    const real = functionAt(typedArray, 'fill');
    onTestFinished(() => {
      Object.defineProperty(typedArray, 'fill', { value: real });
    });
    const bytes = new Uint8Array(16);
    const first = track(bytes);
    const theirs = patchOver();
    bytes.fill(1, 2, 4);
    expect(first.take()).toEqual([[2, 2]]);
    first.stop();
    expect(bytes.fill(2, 5)).toBe(bytes);
    expect(first.take()).toEqual([]);
    const second = track(bytes);
    bytes.fill(3, 6);
    expect([first.take(), second.take()]).toEqual([[], [[6, 10]]]);
    second.stop();
    bytes.fill(4);
    expect(theirs.calls()).toBe(4);
    expect([...bytes]).toEqual(Array(16).fill(4));
  });

  test('may put back one of ours when it is over', () => {
    const real = functionAt(typedArray, 'fill');
    onTestFinished(() => {
      Object.defineProperty(typedArray, 'fill', { value: real });
    });
    const bytes = new Uint8Array(16);
    const first = track(bytes);
    const theirs = patchOver();
    first.stop();
    Object.defineProperty(typedArray, 'fill', { value: theirs.original });
    expect([...bytes.fill(1).slice(0, 2)]).toEqual([1, 1]);
    const second = track(bytes);
    bytes.fill(2, 8);
    expect(second.take()).toEqual([[8, 8]]);
    second.stop();
    expect(functionAt(typedArray, 'fill')).toBe(real);
  });
});

describe('targets', () => {
  test('are told apart by their buffers, each told to all who asked', () => {
    const [one, other, foreign] = [new Uint8Array(32), new Uint8Array(32), new Uint8Array(32)];
    const tracked = [track(one), track({ buffer: one.buffer }), track(other)];
    const told = () => tracked.map((each) => each.take());
    one.fill(1, 3, 5);
    expect(told()).toEqual([[[3, 2]], [[3, 2]], []]);
    other.subarray(8).set(one.subarray(0, 4), 2);
    expect(told()).toEqual([[], [], [[10, 4]]]);
    foreign.fill(7);
    expect(told()).toEqual([[], [], []]);
    tracked[0]?.stop();
    one.fill(2, 0, 1);
    expect(told()).toEqual([[], [[0, 1]], []]);
  });

  test('that stop while they are told are not told again', () => {
    const bytes = new Uint8Array(8);
    let calls = 0;
    const tracking = trackWrites(bytes, () => {
      calls++;
      tracking.stop();
    });
    bytes.fill(1);
    bytes.fill(2);
    expect(calls).toBe(1);
  });

  test('are not told of what is written because they were told', () => {
    const bytes = new Uint8Array(64);
    const told: number[] = [];
    const tracking = trackWrites(bytes, (byteOffset) => {
      told.push(byteOffset);
      bytes.fill(1, 32 + byteOffset);
    });
    bytes.fill(1, 3, 4);
    bytes.fill(1, 5, 6);
    tracking.stop();
    expect(told).toEqual([3, 5]);
  });

  test('are known by the buffer that a view has, not by one it says it has', () => {
    const bytes = new Uint8Array(8);
    const tracked = track(bytes);
    class Elsewhere extends Uint8Array<ArrayBuffer> {
      override get buffer(): ArrayBuffer {
        return new ArrayBuffer(0);
      }
    }
    new Elsewhere(bytes.buffer, 2).fill(1);
    expect(tracked.take()).toEqual([[2, 6]]);
  });

  test.each([0, 1])(
    'that are a memory, of %i pages at first, stay targets as they grow',
    (initial) => {
      const memory = new WebAssembly.Memory({ initial, maximum: 4 });
      const old = new Uint8Array(memory.buffer);
      const tracked = track(memory);
      memory.grow(1);
      new Uint8Array(memory.buffer).fill(1, 7, 9);
      expect(tracked.take()).toEqual([[7, 2]]);
      memory.grow(1);
      memory.grow(1);
      new DataView(memory.buffer).setUint16(initial * 65536 + 131070, 3);
      expect(tracked.take()).toEqual([[initial * 65536 + 131070, 2]]);
      expect(() => old.set([1])).toThrow(TypeError);
      expect(tracked.take()).toEqual([]);
    },
  );

  test('that are shared memory are written through older views too', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
    const old = new Uint8Array(memory.buffer);
    const tracked = track(memory);
    memory.grow(1);
    new Uint8Array(memory.buffer).fill(1, 65530, 65540);
    old.fill(2, 0, 3);
    Atomics.add(new Int32Array(memory.buffer), 2, 5);
    expect(tracked.take()).toEqual([
      [65530, 10],
      [0, 3],
      [8, 4],
    ]);
  });

  test('that give another buffer whenever they like are asked each time', () => {
    const target = { buffer: new ArrayBuffer(8) };
    const later = new Uint8Array(16);
    const tracked = track(target);
    later.fill(1);
    target.buffer = later.buffer;
    later.fill(2, 9);
    expect(tracked.take()).toEqual([[9, 7]]);
  });

  test('are told what was written before a call that made them grow', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
    const view = new Uint8Array(memory.buffer, 16);
    const tracked = track(memory);
    const growing = {
      valueOf() {
        memory.grow(1);
        return 9;
      },
    };
    view.set([1, 2, growing as unknown as number, 4], 4);
    expect([...new Uint8Array(memory.buffer, 20, 4)].slice(0, 2)).toEqual([1, 2]);
    expect(tracked.take()).toEqual([[20, 4]]);
  });
});

describe('a call that throws', () => {
  const fails = {
    valueOf(): number {
      throw new Error('half way');
    },
  } as unknown as number;

  test('half way is told with all it might have written', () => {
    const bytes = new Uint8Array(16);
    const tracked = track(bytes);
    expect(() => bytes.set([1, 2, fails, 4], 3)).toThrow('half way');
    expect([...bytes.subarray(3, 5)]).toEqual([1, 2]);
    expect(tracked.take()).toEqual([[3, 4]]);
  });

  test('before it wrote is not told', () => {
    const bytes = new Uint8Array(16);
    const tracked = track(bytes);
    expect(() => bytes.set([1, 2], 15)).toThrow(RangeError);
    expect(() => bytes.set([1, 2], -1)).toThrow(RangeError);
    expect(() => bytes.fill(fails)).toThrow('half way');
    expect(() => Atomics.store(bytes, 16, 1)).toThrow(RangeError);
    expect(tracked.take()).toEqual([]);
  });
});
