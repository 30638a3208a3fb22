import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decompressLz4 } from '../../src/codec/lz4.js';
import { LOOK_PAGES, type PageArea, pageState } from '../../src/snapshot/page-area.js';
import { PageIds } from '../../src/snapshot/page-id.js';
import { PageWork } from '../../src/snapshot/page-work.js';
import { blockMethod } from '../../src/snapshot/types.js';

const pageBytes = 4096;

function idOf(prefix: Uint8Array, page: Uint8Array): Buffer {
  return createHash('sha256').update(prefix).update(page).digest().subarray(0, 16);
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pageferry-page-work-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function withFile<T>(bytes: Uint8Array, use: (fd: number) => T): T {
  const path = join(folder, 'file');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function firstArea(work: PageWork): PageArea {
  const [area] = work.areas;
  if (area === undefined) throw new Error('no area');
  return area;
}

describe.each([
  { name: 'no prefix', prefix: new Uint8Array() },
  { name: 'a prefix', prefix: new Uint8Array(32).fill(7) },
])('pages that are looked at with $name', ({ prefix }) => {
  const work = new PageWork(1);
  work.begin(new PageIds(prefix), randomBytes(192));
  const area = firstArea(work);

  it('are told apart as a naive twin tells them: zeros, the same, and changed ones with their ids', () => {
    const kinds = fc.array(fc.constantFrom('zero', 'same', 'changed'), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(kinds, fc.integer({ min: 1, max: pageBytes }), (pages, tail) => {
        const bytes = Buffer.concat(
          pages.map((kind) => (kind === 'zero' ? Buffer.alloc(pageBytes) : randomBytes(pageBytes))),
        ).subarray(0, (pages.length - 1) * pageBytes + tail);
        const whole = Buffer.alloc(pages.length * pageBytes);
        whole.set(bytes);
        area.parentIds.fill(0);
        const expected: number[] = [];
        for (const [index, kind] of pages.entries()) {
          const page = whole.subarray(index * pageBytes, (index + 1) * pageBytes);
          const isZero = page.every((byte) => byte === 0);
          if (kind === 'same' && !isZero) area.parentIds.set(idOf(prefix, page), index * 16);
          expected.push(isZero ? pageState.zero : pageState[kind === 'same' ? 'same' : 'changed']);
        }
        const { changed } = withFile(bytes, (fd) =>
          work.look(area, {
            fd,
            position: 0,
            byteLength: bytes.length,
            compare: 'ids',
            compression: undefined,
          }),
        );
        expect([...area.states.subarray(0, pages.length)]).toEqual(expected);
        const numbers = expected.flatMap((state, index) =>
          state === pageState.changed ? [index] : [],
        );
        expect([...area.numbers.subarray(0, changed)]).toEqual(numbers);
        for (const [at, index] of numbers.entries()) {
          const page = whole.subarray(index * pageBytes, (index + 1) * pageBytes);
          expect(
            Buffer.compare(area.pages.subarray(at * pageBytes, (at + 1) * pageBytes), page),
          ).toBe(0);
          expect(Buffer.compare(area.ids.subarray(at * 16, at * 16 + 16), idOf(prefix, page))).toBe(
            0,
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  it('are not taken for the parent’s where it has no parent', () => {
    const bytes = randomBytes(pageBytes);
    area.parentIds.set(idOf(prefix, bytes));
    const order = {
      position: 0,
      byteLength: pageBytes,
      compare: 'nothing' as const,
      compression: undefined,
    };
    expect(withFile(bytes, (fd) => work.look(area, { fd, ...order })).changed).toBe(1);
  });

  it.each(['lz4', 'none'] as const)(
    'that changed are compressed by %s, 64 at a time',
    (compression) => {
      const bytes = Buffer.alloc(150 * pageBytes, 'some text ');
      const order = {
        position: 0,
        byteLength: bytes.length,
        compare: 'nothing' as const,
        compression,
      };
      const { changed, blocks } = withFile(bytes, (fd) => work.look(area, { fd, ...order }));
      expect([changed, blocks.length]).toEqual([150, 3]);
      for (const [index, { method, byteLength }] of blocks.entries()) {
        const raw = bytes.subarray(
          index * 64 * pageBytes,
          Math.min(150, (index + 1) * 64) * pageBytes,
        );
        expect(method).toBe(blockMethod[compression]);
        if (method === blockMethod.none) continue;
        const start = index * 64 * pageBytes;
        const block = area.blocks.slice(start, start + byteLength);
        expect(Buffer.compare(decompressLz4(block, raw.length), raw)).toBe(0);
      }
    },
  );

  it('need no id where their fingerprint is known and the parent’s', () => {
    const pages = Array.from({ length: 10 }).map(() => randomBytes(pageBytes));
    pages[3] = Buffer.alloc(pageBytes);
    const bytes = Buffer.concat(pages);
    const look = (file: Buffer, compare: 'nothing' | 'fingerprints') =>
      withFile(file, (fd) =>
        work.look(area, {
          ...{ fd, position: 0, byteLength: file.length, compare, compression: undefined },
        }),
      );
    look(bytes, 'nothing');
    const before = area.prints.slice(0, 2 * pages.length);
    area.parent('fingerprints').fill(0);
    area.parentPrints.set(before);
    // Of page 5 nothing is known; a bit of page 1 is another; what was page 2 is zeros, and what was zeros is not.
    area.parentPrints.fill(0, 10, 12);
    const after = Buffer.from(bytes);
    after.writeUInt8(after.readUInt8(pageBytes + 9) ^ 1, pageBytes + 9);
    after.fill(0, 2 * pageBytes, 3 * pageBytes);
    after.fill(3, 3 * pageBytes, 4 * pageBytes);
    area.ids.fill(0);
    expect(look(after, 'fingerprints').changed).toBe(3);
    const { same, changed, zero } = pageState;
    const states = pages.map((_, page) =>
      [1, 3, 5].includes(page) ? changed : page === 2 ? zero : same,
    );
    expect([...area.states.subarray(0, pages.length)]).toEqual(states);
    expect([...area.numbers.subarray(0, 3)]).toEqual([1, 3, 5]);
    expect(area.ids.subarray(3 * 16).every((byte) => byte === 0)).toBe(true);
  });

  it('are refused where the file ends before them', () => {
    const order = {
      position: pageBytes,
      byteLength: pageBytes,
      compare: 'nothing' as const,
      compression: undefined,
    };
    const look = () =>
      withFile(randomBytes(pageBytes + 1), (fd) => work.look(area, { fd, ...order }));
    expect(look).toThrow(expect.objectContaining({ code: 'ERR_SOURCE_CHANGED' }));
  });
});

it('an area holds the pages of one look', () => {
  const area = firstArea(new PageWork(1));
  expect(area.pages).toHaveLength(LOOK_PAGES * pageBytes);
  expect(area.states).toHaveLength(LOOK_PAGES);
});
