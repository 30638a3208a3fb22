import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';
import { naiveLz4 } from '../reference/lz4.js';
import { loadLz4Wasm } from '../reference/lz4-wasm.js';
import { Random } from '../reference/random.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] !== undefined;
const mostBytes = 300_000;
const guard = 64;
const guardByte = 0xa5;
/** What the kernels may overwrite behind the room they are given. */
const compressSlack = 16;
const decompressSlack = 32;

/** Memory with things in it that are there twice: near, far, overlapping, in runs. */
const memories = fc
  .record({
    length: fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 9000 }),
      fc.integer({ min: 60_000, max: mostBytes }),
    ),
    seed: fc.nat(),
    pieces: fc.nat({ max: 200 }),
    ground: fc.constantFrom('random', 'zero', 'words'),
  })
  .map(({ length, seed, pieces, ground }) => {
    const random = new Random(seed);
    const memory = ground === 'zero' ? new Uint8Array(length) : random.bytes(length).slice();
    if (ground === 'words') for (let at = 0; at < length; at++) memory[at] = (memory[at] ?? 0) & 3;
    if (length === 0) return memory;
    for (let piece = 0; piece < pieces; piece++) {
      const count = 1 + random.below(piece % 7 === 0 ? Math.min(length, 5000) : 40);
      const from = random.below(length);
      // Byte by byte, so that what overlaps repeats itself.
      const to = piece % 3 === 0 ? from + 1 + random.below(20) : random.below(length);
      for (let i = 0; i < count && to + i < length; i++) memory[to + i] = memory[from + i] ?? 0;
    }
    return memory;
  });

const nothing = new Uint8Array(0);
const judge = loadLz4Wasm();

describe.each(builds)('LZ4, $build build', ({ shared }) => {
  const arena = new Arena(5 * mostBytes, { shared });
  const { kernels } = arena;
  const table = arena.alloc(16384);
  const rawArea = arena.alloc(mostBytes + 2 * guard) + guard;
  const blockArea = arena.alloc(2 * mostBytes + 2 * guard) + guard;

  /** Runs `use` with guard bytes in front of `address` and behind the slack after it; fails if one changed. */
  function guarded<T>(address: number, length: number, slack: number, use: () => T): T {
    const head = arena.bytes(address - guard, guard).fill(guardByte);
    const tail = arena.bytes(address + length + slack, guard - slack).fill(guardByte);
    const result = use();
    expect(head.every((byte) => byte === guardByte)).toBe(true);
    expect(tail.every((byte) => byte === guardByte)).toBe(true);
    return result;
  }

  function compress(raw: Uint8Array, limit = 2 * mostBytes - guard): Uint8Array | null {
    arena.bytes(rawArea, raw.length).set(raw);
    const length = guarded(blockArea, limit, compressSlack, () =>
      kernels.lz4Compress(rawArea, raw.length, blockArea, limit, table),
    );
    return length === 0 ? null : arena.bytes(blockArea, length).slice();
  }

  function decompress(block: Uint8Array, rawBytes: number): Uint8Array | null {
    arena.bytes(blockArea, block.length).set(block);
    const fits = guarded(rawArea, rawBytes, decompressSlack, () =>
      kernels.lz4Decompress(blockArea, block.length, rawArea, rawBytes),
    );
    return fits === 0 ? null : arena.bytes(rawArea, rawBytes).slice();
  }

  test('what it compresses, we, the twin and lz4-wasm read', () => {
    fc.assert(
      fc.property(memories, (memory) => {
        const block = compress(memory);
        if (block === null) throw new Error('did not fit twice its size');
        expect(block.length).toBeLessThanOrEqual(memory.length + memory.length / 255 + 16);
        expect(Buffer.compare(decompress(block, memory.length) ?? nothing, memory)).toBe(0);
        expect(Buffer.compare(naiveLz4(block, memory.length) ?? nothing, memory)).toBe(0);
        if (memory.length > 0) {
          expect(Buffer.compare(judge.decompress(block, memory.length), memory)).toBe(0);
        }
      }),
      { numRuns: nightly ? 2000 : 60 },
    );
  });

  test('what lz4-wasm compresses, it reads', () => {
    fc.assert(
      fc.property(memories, (memory) => {
        const block = judge.compress(memory);
        expect(Buffer.compare(decompress(block, memory.length) ?? nothing, memory)).toBe(0);
      }),
      { numRuns: nightly ? 2000 : 60 },
    );
  });

  test('a block that does not fit its limit is refused, and never written beyond it', () => {
    fc.assert(
      fc.property(memories, fc.nat({ max: 1000 }), (memory, part) => {
        const whole = compress(memory);
        if (whole === null) throw new Error('did not fit twice its size');
        const limit = Math.floor((whole.length * part) / 1000);
        const tight = compress(memory, limit);
        expect(tight === null || tight.length <= limit).toBe(true);
        // Where there is room for the most that it writes before it knows, it fits.
        const roomy = compress(memory, whole.length + 8);
        expect(Buffer.compare(roomy ?? nothing, whole)).toBe(0);
      }),
      { numRuns: nightly ? 1000 : 40 },
    );
  });

  test('keeps the rules at the end: 5 literals, and no copy within 12 bytes of it', () => {
    for (let length = 13; length < 80; length++) {
      const block = compress(new Uint8Array(length)) ?? new Uint8Array(0);
      // One literal, a copy of all but the last five, five literals.
      const last = block.length - 6;
      expect(block[last]).toBe(5 << 4);
      expect(decompress(block, length)).toEqual(new Uint8Array(length));
    }
    expect(compress(new Uint8Array(12))).toEqual(Uint8Array.of(12 << 4, ...new Uint8Array(12)));
  });

  test('damaged blocks are read as the twin reads them, and nothing else is touched', () => {
    const random = new Random(4);
    const rounds = nightly ? 300_000 : 4000;
    const [models = []] = fc.sample(fc.array(memories, { minLength: 20, maxLength: 20 }), {
      numRuns: 1,
      seed: 11,
    });
    const blocks = models
      .map((memory) => memory.subarray(0, 3000))
      .map((memory) => ({ rawBytes: memory.length, block: compress(memory) ?? Uint8Array.of(0) }));
    let refused = 0;
    for (let round = 0; round < rounds; round++) {
      const { block, rawBytes } = blocks[random.below(blocks.length)] ?? {
        block: Uint8Array.of(0),
        rawBytes: 0,
      };
      let bad: Uint8Array = block.slice(
        0,
        random.below(4) === 0 ? random.below(block.length + 1) : undefined,
      );
      for (let edits = random.below(4); edits > 0 && bad.length > 0; edits--) {
        bad[random.below(bad.length)] = [random.u32(), 0xff, 0xf0, 0x0f, 0][random.below(5)] ?? 0;
      }
      if (random.below(50) === 0) bad = random.bytes(1 + random.below(100));
      const wanted = random.below(10) === 0 ? random.below(4000) : rawBytes;
      const twin = naiveLz4(bad, wanted);
      const expected = twin?.length === wanted ? twin : null;
      if (expected === null) refused += 1;
      const got = decompress(bad, wanted);
      if (
        (got === null) !== (expected === null) ||
        Buffer.compare(got ?? nothing, expected ?? nothing) !== 0
      ) {
        throw new Error(`round ${round}: ${Buffer.from(bad).toString('hex')} for ${wanted} bytes`);
      }
    }
    expect(refused).toBeGreaterThan(rounds / 4);
    expect(refused).toBeLessThan(rounds);
  });
});
