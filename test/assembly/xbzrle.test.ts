import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';
import { naiveDecode, naiveEncode } from '../reference/xbzrle.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const pageBytes = 4096;
const guard = 64;
/** Behind its room the encoder may use this much. */
const slack = 16;
const guardByte = 0xa5;
const malformed = Uint8Array.of(0);

/** Two versions of a page: some bytes rewritten, with the old value now and then; or every nth byte; or all of it. */
const edit = fc.record({ at: fc.nat(pageBytes - 1), bytes: fc.uint8Array({ maxLength: 300 }) });
const versions = fc
  .record({
    windows: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(64)),
    ground: fc.integer({ min: 0, max: 255 }),
    edits: fc.array(edit, { maxLength: 30 }),
    every: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 9 })),
  })
  .map(({ windows, ground, edits, every }) => {
    const previous = new Uint8Array(windows * 64).fill(ground);
    const next = previous.slice();
    for (const { at, bytes } of edits) {
      const start = at % next.length;
      next.set(bytes.subarray(0, next.length - start), start);
    }
    if (every > 0) for (let at = 0; at < next.length; at += every) next[at] = ground ^ 0x5a;
    return { previous, next };
  });

describe.each(builds)('XBZRLE, $build build', ({ shared }) => {
  const arena = new Arena(5 * pageBytes + 4 * guard, { shared });
  const { kernels } = arena;
  const before = arena.alloc(pageBytes);
  const after = arena.alloc(pageBytes);
  const deltaArea = arena.alloc(guard + 2 * pageBytes + guard) + guard;
  const pageArea = arena.alloc(guard + pageBytes + guard) + guard;

  /** Runs `use` between guard bytes before `address` and after `address + length`; fails if one of them changed. */
  function guarded<T>(address: number, length: number, use: () => T): T {
    const head = arena.bytes(address - guard, guard).fill(guardByte);
    const tail = arena.bytes(address + length, guard).fill(guardByte);
    const result = use();
    expect(head.every((byte) => byte === guardByte)).toBe(true);
    expect(tail.every((byte) => byte === guardByte)).toBe(true);
    return result;
  }

  function encode(previous: Uint8Array, next: Uint8Array, capacity: number): Uint8Array | null {
    arena.bytes(before, previous.length).set(previous);
    arena.bytes(after, next.length).set(next);
    const length = guarded(deltaArea, capacity + slack, () =>
      kernels.xbzrleEncode(before, after, next.length, deltaArea, capacity),
    );
    return length < 0 ? null : arena.bytes(deltaArea, length).slice();
  }

  /** `page` is what was there where the delta is malformed: the kernel may have written part of it. */
  function decode(delta: Uint8Array, page: Uint8Array): { page: Uint8Array; end: number } {
    arena.bytes(deltaArea, delta.length).set(delta);
    const view = arena.bytes(pageArea, page.length);
    return guarded(pageArea, page.length, () => {
      view.set(page);
      const checked = kernels.xbzrleDecode(deltaArea, delta.length, 0, page.length);
      expect(view).toEqual(page);
      const end = kernels.xbzrleDecode(deltaArea, delta.length, pageArea, page.length);
      expect(checked).toBe(end);
      return { page: end < 0 ? page : view.slice(), end };
    });
  }

  test('a delta is byte for byte that of the naive encoder, and gives the new page back', () => {
    fc.assert(
      fc.property(versions, ({ previous, next }) => {
        const delta = encode(previous, next, 2 * pageBytes);
        const expected = naiveEncode(previous, next, 2 * pageBytes);
        expect(Buffer.compare(delta ?? malformed, expected ?? malformed)).toBe(0);
        expect(Buffer.compare(decode(delta ?? malformed, previous).page, next)).toBe(0);
      }),
      { numRuns: nightly ? 1000 : 400 },
    );
  });

  test('a delta is refused exactly where it does not fit, and nothing is written far past the room', () => {
    fc.assert(
      fc.property(
        versions,
        fc.integer({ min: -3, max: 3 }),
        fc.nat(pageBytes),
        (pair, slip, any) => {
          const { previous, next } = pair;
          const exact = naiveEncode(previous, next, Number.POSITIVE_INFINITY)?.length ?? 0;
          for (const capacity of [Math.min(Math.max(0, exact + slip), 2 * pageBytes), any]) {
            expect(encode(previous, next, capacity)).toEqual(naiveEncode(previous, next, capacity));
          }
        },
      ),
      { numRuns: nightly ? 1000 : 400 },
    );
  });

  test('equal pages make the empty delta, which changes nothing', () => {
    const page = new Uint8Array(pageBytes).fill(3);
    expect(encode(page, page, pageBytes)).toEqual(new Uint8Array(0));
    expect(decode(new Uint8Array(0), page)).toEqual({ page, end: 0 });
  });

  // Small numbers make deltas that are nearly right; lengths may take a needless second byte.
  const tokens = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .array(fc.constantFrom(0, 1, 2, 3, 5, 0x80, 0x81, 0x82, 0xff), { maxLength: 60 })
      .map((list) => Uint8Array.from(list)),
  );

  test('any bytes decode as the naive decoder says; a check says the same and writes nothing', () => {
    fc.assert(
      fc.property(tokens, fc.integer({ min: 1, max: 16 }), (delta, words) => {
        const page = new Uint8Array(words * 8).fill(9);
        const expected = naiveDecode(delta, page) ?? { page, end: -1 };
        expect(decode(delta, page)).toEqual(expected);
      }),
      { numRuns: nightly ? 3000 : 1500 },
    );
  });

  test.each([
    ['a zero run that is not the first', [1, 1, 7, 0, 1, 8]],
    ['a run of no bytes', [1, 0]],
    ['a length of three bytes', [0x80, 0x80, 1, 1, 7]],
    ['a trailing zero run', [1, 1, 7, 4]],
    ['a zero run past the page', [0xff, 0x7f, 1, 7]],
    ['a run past the page', [15, 2, 7, 8]],
    ['a run past the delta', [1, 3, 7, 8]],
  ])('%s is malformed', (_, delta) => {
    const page = new Uint8Array(16).fill(9);
    expect(decode(Uint8Array.from(delta), page)).toEqual({ page, end: -1 });
  });
});
