import { randomBytes } from 'node:crypto';
import { xxh3, xxh64 } from '@node-rs/xxhash';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import xxhashWasm from 'xxhash-wasm';
import { Arena } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';

const room = 300_000;
const { h64Raw } = await xxhashWasm();

describe.each(builds)('hash kernels, $build build', ({ shared }) => {
  const arena = new Arena(room + 8192, { shared });
  const { kernels } = arena;
  // The address is odd: inputs need no alignment.
  const input = arena.alloc(room) + 1;
  const secretAddress = arena.alloc(192);
  const secret = randomBytes(192);
  arena.bytes(secretAddress, 192).set(secret);
  const unsigned = (hash: bigint) => BigInt.asUintN(64, hash);

  function place(bytes: Uint8Array): Uint8Array {
    arena.bytes(input, bytes.length).set(bytes);
    return bytes;
  }

  // Every length class and each of its edges, then several blocks.
  const lengths = [...Array(600).keys(), 1023, 1024, 1025, 2048, 2049, 4095, 4096, 4097, 262_145];

  test.each([
    ['XXH64', '', 0xef46db3751d8e999n],
    ['XXH3-64', '', 0x2d06800538d394c2n],
  ])('%s of %j is the published value', (algorithm, text, expected) => {
    const bytes = place(new TextEncoder().encode(text));
    const hash =
      algorithm === 'XXH64'
        ? kernels.xxh64(input, bytes.length, 0n)
        : kernels.xxh3(input, bytes.length, Arena.defaultSecretAddress);
    expect(unsigned(hash)).toBe(expected);
  });

  test('XXH64 of every length is what two other implementations find', () => {
    for (const length of lengths) {
      const bytes = place(randomBytes(length));
      const seed = randomBytes(8).readBigUInt64LE();
      const hash = unsigned(kernels.xxh64(input, length, BigInt.asIntN(64, seed)));
      expect(hash).toBe(h64Raw(bytes, seed));
      expect(unsigned(kernels.xxh64(input, length, 0n))).toBe(xxh64(bytes));
    }
  });

  test('XXH3-64 of every length is what another implementation finds, with either secret', () => {
    for (const length of lengths) {
      const bytes = place(randomBytes(length));
      const hash = kernels.xxh3(input, length, Arena.defaultSecretAddress);
      expect(unsigned(hash), `default secret, ${length} bytes`).toBe(xxh3.xxh64(bytes));
      const withSecret = kernels.xxh3(input, length, secretAddress);
      expect(unsigned(withSecret), `${length} bytes`).toBe(xxh3.xxh64WithSecret(bytes, secret));
    }
  });

  test('each page gets the hash of its bytes alone', () => {
    const pages = 9;
    const out = arena.alloc((pages + 1) * 8);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 4096 }), (seed) => {
        const bytes = new Uint8Array(pages * 4096);
        for (let at = 0; at < bytes.length; at += seed.length + 13) {
          bytes.set(seed.subarray(0, bytes.length - at), at);
        }
        place(bytes);
        arena.u64(out, pages + 1).fill(0n);
        kernels.hashPages(input, pages, out, secretAddress);
        const expected = Array.from({ length: pages }, (_, page) =>
          xxh3.xxh64WithSecret(bytes.subarray(page * 4096, page * 4096 + 4096), secret),
        );
        expect([...arena.u64(out, pages + 1)]).toEqual([...expected, 0n]);
      }),
      { numRuns: 20 },
    );
  });
});
