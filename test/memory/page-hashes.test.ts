import { xxh3 } from '@node-rs/xxhash';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { PageHashes, placeHashKey } from '../../src/memory/page-hashes.js';
import { Random } from '../reference/random.js';

const secret: Uint8Array = new Random(3).bytes(192);

function hash(words: readonly bigint[], length: number = words.length): bigint {
  const input = new BigUint64Array(length);
  input.set(words);
  return xxh3.xxh64WithSecret(new Uint8Array(input.buffer), secret);
}

/** The tree computed whole, by another implementation. */
function naiveTree(pageHashes: readonly bigint[], byteLength: number) {
  const leaves: bigint[] = [];
  for (let first = 0; first < pageHashes.length; first += 512) {
    leaves.push(hash(pageHashes.slice(first, first + 512), 512));
  }
  return { leaves, root: hash([BigInt(byteLength), ...leaves]) };
}

function create(capacityPages: number): { hashes: PageHashes; zeroHash: bigint } {
  const arena = new Arena(PageHashes.byteLength(capacityPages) + (1 << 16));
  const key = placeHashKey(arena, secret);
  const address = arena.alloc(PageHashes.byteLength(capacityPages));
  return { hashes: new PageHashes(arena, key, capacityPages, address), zeroHash: key.zeroHash };
}

describe('the tree over page hashes', () => {
  test('is that of a naive twin after any changes and growth', () => {
    const change = fc.record({
      grow: fc.nat(700),
      first: fc.double({ min: 0, max: 0.999, noNaN: true }),
      count: fc.integer({ min: 1, max: 40 }),
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const { hashes, zeroHash } = create(5000);
        const twin: bigint[] = [];
        for (const { grow, first, count, value } of changes) {
          while (twin.length < 1 || (grow > 0 && twin.length < grow)) twin.push(zeroHash);
          hashes.resize(twin.length);
          const from = Math.floor(first * twin.length);
          const length = Math.min(count, twin.length - from);
          hashes.set(from, value, length);
          twin.fill(value, from, from + length);
          const byteLength = twin.length * 4096 - 5;
          const expected = naiveTree(twin, byteLength);
          expect([...hashes.leaves()]).toEqual(expected.leaves);
          expect(hashes.root(byteLength)).toBe(expected.root);
          expected.leaves.forEach((_, leaf) => {
            expect([...hashes.ofLeaf(leaf)]).toEqual(twin.slice(leaf * 512, leaf * 512 + 512));
          });
        }
      }),
      { numRuns: 30 },
    );
  });

  test('of an empty region has a root and no leaf', () => {
    const { hashes } = create(0);
    expect(hashes.root(0)).toBe(hash([0n]));
    expect(hashes.leaves()).toHaveLength(0);
    expect(() => hashes.ofLeaf(0)).toThrow(RangeError);
  });

  test('tells sizes apart that have the same pages', () => {
    const { hashes } = create(1);
    hashes.resize(1);
    expect(hashes.root(4096)).not.toBe(hashes.root(4095));
  });

  test('needs a secret of 192 bytes', () => {
    expect(() => placeHashKey(new Arena(8192), new Uint8Array(191))).toThrow(TypeError);
  });
});
