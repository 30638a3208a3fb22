import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ContentHash, hashedRegion } from '../../src/bundle/content-hash.js';
import type { Region } from '../../src/memory/region.js';

/** Bytes as a region that tells how much of it was read. */
function makeRegion(bytes: Buffer, held: boolean): { region: Region; readBytes: () => number } {
  let sum = 0;
  const region: Region = {
    ...{ id: 0, name: 'x', byteLength: bytes.length, maxByteLength: bytes.length, held },
    read: (offset, into) => {
      sum += into.byteLength;
      return bytes.copy(into, 0, offset, offset + into.byteLength);
    },
    write: (offset, from) => void bytes.set(from, offset),
    grow: () => {},
  };
  return { region, readBytes: () => sum };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('the hash of content that is read anyway', () => {
  it('reads nothing once more that was seen in order', async () => {
    const bytes = randomBytes(3 * 2 ** 20);
    const { region, readBytes } = makeRegion(bytes, false);
    const hash = new ContentHash();
    const hashed = hashedRegion(region, hash);
    for (let at = 0; at < bytes.length; at += 2 ** 20) {
      await hashed.read(at, new Uint8Array(2 ** 20));
    }
    expect(await hash.finish(bytes.length, hashed.read)).toBe(sha256(bytes));
    expect(readBytes()).toBe(bytes.length);
  });

  it.each([false, true])(
    'is computed anew of what was written since, held before: %s',
    async (held) => {
      const bytes = randomBytes(2 ** 20 + 4096);
      const { region } = makeRegion(bytes, held);
      const hash = new ContentHash();
      const hashed = hashedRegion(region, hash);
      await hashed.read(0, new Uint8Array(2 ** 20));
      await hashed.write(5 * 4096, randomBytes(4096));
      expect(await hash.finish(bytes.length, hashed.read)).toBe(sha256(bytes));
      // A switchover that is tried once more brings pages once more.
      await hashed.write(2 ** 20, randomBytes(4096));
      expect(await hash.finish(bytes.length, hashed.read)).toBe(sha256(bytes));
    },
  );
});
