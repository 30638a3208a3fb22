import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeStateUnits, encodeStateUnits, unitsOf } from '../../src/codec/state-delta.js';
import { FerryError } from '../../src/errors.js';
import { Random } from '../reference/random.js';

/** The whole of `state` as pieces of at most `maxBytes`. */
function encodeAll(base: Uint8Array, state: Uint8Array, maxBytes: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let unit = 0; unit < unitsOf(state.length); ) {
    const piece = encodeStateUnits(base, state, unit, maxBytes);
    expect(piece.next).toBeGreaterThan(unit);
    pieces.push(piece.bytes);
    unit = piece.next;
  }
  return pieces;
}

function decodeAll(base: Uint8Array, bytes: number, pieces: readonly Uint8Array[]): Uint8Array {
  const state = new Uint8Array(bytes).fill(0xaa);
  let unit = 0;
  for (const piece of pieces) unit = decodeStateUnits(base, state, unit, piece);
  expect(unit).toBe(unitsOf(bytes));
  return state;
}

/** `state` with `edits` bytes of it changed. */
function edited(random: Random, state: Uint8Array, edits: number): Uint8Array {
  const copy = state.slice();
  for (let edit = 0; edit < edits && copy.length > 0; edit++) {
    copy[random.below(copy.length)] = random.u32() & 0xff;
  }
  return copy;
}

describe('a state said by how it differs', () => {
  it('comes back, whatever the lengths, the changes and the pieces are', () => {
    const lengths = fc.oneof(fc.nat(20), fc.integer({ min: 4080, max: 4112 }), fc.nat(30_000));
    fc.assert(
      fc.property(
        fc.nat(),
        lengths,
        lengths,
        fc.nat(400),
        fc.constantFrom(1, 5000, 65_536),
        (seed, baseBytes, stateBytes, edits, maxBytes) => {
          const random = new Random(seed);
          const base = random.bytes(baseBytes).slice();
          const state = random.bytes(stateBytes).slice();
          state.set(edited(random, base, edits).subarray(0, stateBytes));
          const pieces = encodeAll(base, state, maxBytes);
          for (const piece of pieces)
            expect(piece.length).toBeLessThanOrEqual(Math.max(maxBytes, 4098));
          expect(decodeAll(base, stateBytes, pieces)).toEqual(state);
        },
      ),
    );
  });

  it('takes 2 bytes for each 4 KiB that did not change', () => {
    const base = new Random(1).bytes(2 << 20);
    const state = base.slice();
    for (let at = 0; at < state.length; at += 1 << 18) state[at] = (state[at] ?? 0) + 1;
    const bytes = encodeAll(base, state, 65_536).reduce((sum, { length }) => sum + length, 0);
    expect(bytes).toBeLessThan(2 * 512 + 8 * 8);
  });

  it('takes a state whole where there is nothing to compare with', () => {
    const state = new Random(2).bytes(10_000);
    const bytes = encodeAll(new Uint8Array(), state, 65_536).reduce(
      (sum, { length }) => sum + length,
      0,
    );
    expect(bytes).toBe(3 * 2 + 10_000);
  });

  it('answers arbitrary bytes with ERR_FRAME_CORRUPT or a state', () => {
    const base = new Random(3).bytes(10_000);
    const lengths = fc.constantFrom(0, 1, 3, 4093, 4094, 4096, 0xffff);
    const bodies = fc.tuple(
      fc.array(lengths, { maxLength: 4 }),
      fc.uint8Array({ maxLength: 9000 }),
    );
    fc.assert(
      fc.property(bodies, fc.nat(3), ([heads, rest], first) => {
        const units = new Uint8Array(2 * heads.length + rest.length);
        for (const [at, head] of heads.entries())
          new DataView(units.buffer).setUint16(2 * at, head, true);
        units.set(rest, 2 * heads.length);
        const state = new Uint8Array(10_000);
        try {
          expect(decodeStateUnits(base, state, first, units)).toBeLessThanOrEqual(3);
        } catch (error) {
          expect(error).toBeInstanceOf(FerryError);
          expect(error).toHaveProperty('code', 'ERR_FRAME_CORRUPT');
        }
      }),
      { numRuns: 3000 },
    );
  });

  it.each<[string, number[]]>([
    ['a unit behind the last', [0, 0, 0, 0]],
    ['a length that is cut off', [0]],
    ['a delta that is cut off', [4, 0, 0]],
    ['a delta that reaches behind the end', [4, 0, 99, 2, 1, 1]],
    ['a delta that is none', [2, 0, 0, 0]],
    ['a length that nothing has', [0xfe, 0x0f]],
    ['a whole unit that is cut off', [0xff, 0xff, 1]],
  ])('refuses %s', (_, units) => {
    expect(() =>
      decodeStateUnits(new Uint8Array(100), new Uint8Array(100), 0, Uint8Array.from(units)),
    ).toThrow(expect.objectContaining({ code: 'ERR_FRAME_CORRUPT' }));
  });
});
