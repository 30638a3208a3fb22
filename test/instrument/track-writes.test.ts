import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { trackWrites } from '../../src/instrument/track-writes.js';
import { bufferBytes, type WriteCall, writeCalls } from './write-calls.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';

interface Run {
  /** What it gave, its views as they are in the end, or what it threw; and what it asked its arguments. */
  readonly outcome: readonly unknown[];
  readonly bytes: Buffer;
  /** Bytes of which it was told that they were written. */
  readonly told: ReadonlySet<number>;
}

function run({ run }: WriteCall, contents: Uint8Array, isWatched: boolean): Run {
  const buffer = new ArrayBuffer(bufferBytes);
  new Uint8Array(buffer).set(contents);
  const told = new Set<number>();
  const tracking = isWatched
    ? trackWrites({ buffer }, (byteOffset, byteLength) => {
        if (byteLength <= 0 || byteOffset < 0 || byteOffset + byteLength > bufferBytes) {
          throw new Error(`told of ${byteLength} bytes at ${byteOffset}`);
        }
        for (let at = byteOffset; at < byteOffset + byteLength; at++) told.add(at);
      })
    : undefined;
  const log: string[] = [];
  let outcome: unknown[];
  try {
    outcome = ['gave', run(buffer, log), log];
  } catch (error) {
    const { name, message, code } = error as NodeJS.ErrnoException;
    outcome = ['threw', name, message, code, log];
  }
  tracking?.stop();
  return { outcome, bytes: Buffer.from(new Uint8Array(buffer)), told };
}

test('every write by a function of the platform is told, and nothing else, and nobody notices', () => {
  fc.assert(
    fc.property(writeCalls, fc.infiniteStream(fc.nat(255)), (call, random) => {
      const touched = new Set<number>();
      const told = new Set<number>();
      let threw = false;
      for (let round = 0; round < 5; round++) {
        const before = Uint8Array.from({ length: bufferBytes }, () => random.next().value ?? 0);
        const plain = run(call, before, false);
        const watched = run(call, before, true);
        if (!isDeepStrictEqual(watched.outcome, plain.outcome)) {
          expect(watched.outcome, call.name).toEqual(plain.outcome);
          throw new Error(`${call.name} gives something else`);
        }
        expect(watched.bytes.equals(plain.bytes), `${call.name} writes the same`).toBe(true);
        threw ||= plain.outcome[0] === 'threw';
        for (const [at, byte] of watched.bytes.entries()) {
          if (byte === before[at]) continue;
          if (!watched.told.has(at)) throw new Error(`${call.name}: nobody was told of byte ${at}`);
          touched.add(at);
        }
        for (const at of watched.told) told.add(at);
      }
      if (threw || call.loose) return;
      for (const at of told) {
        if (!touched.has(at)) throw new Error(`${call.name}: byte ${at} was not written`);
      }
    }),
    { numRuns: nightly ? 20_000 : 1000 },
  );
}, 120_000);
