import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import { PageHasher } from '../../src/codec/page-hasher.js';
import { FerryError } from '../../src/errors.js';
import type { Region } from '../../src/memory/region.js';
import { Random, scribble } from '../reference/random.js';
import { type TestRegion, testRegion } from '../reference/regions.js';
import {
  type NaiveBody,
  type NaivePage,
  naiveApply,
  naiveBody,
  naivePages,
  varint,
} from '../reference/run-table.js';
import { naiveEncode } from '../reference/xbzrle.js';
import { secret } from './ends.js';

const hasher = new PageHasher(secret);
const raw = (region: number, page: number, payload: Uint8Array): NaivePage => {
  return { region, page, kind: 'raw', payload };
};
const zero = (region: number, page: number): NaivePage => {
  return { region, page, kind: 'zero', payload: new Uint8Array() };
};

function apply(engine: ApplyEngine, { body, tableBytes }: NaiveBody) {
  return engine.apply(body, tableBytes);
}

/** A frame that changes random pages of `regions`, as every kind in turn. */
function randomFrame(random: Random, regions: readonly TestRegion[]): NaiveBody {
  const pages: NaivePage[] = [];
  for (const { id, bytes } of [...regions].sort((a, b) => a.id - b.id)) {
    const last = Math.ceil(bytes.length / 4096) - 1;
    for (let page = random.below(3); page <= last; page += random.below(5) === 0 ? 2 : 1) {
      const previous = new Uint8Array(4096);
      previous.set(bytes.subarray(page * 4096, (page + 1) * 4096));
      const next = previous.slice();
      scribble(random, next.subarray(0, Math.min(4096, bytes.length - page * 4096)));
      const delta = naiveEncode(previous, next, 4093);
      const isFill = next.every((byte, index) => byte === next[index % 8]);
      if (next.every((byte) => byte === 0)) pages.push(zero(id, page));
      else if (isFill) pages.push({ region: id, page, kind: 'fill', payload: next.slice(0, 8) });
      else if (delta !== null && delta.length > 0 && random.below(4) > 0) {
        pages.push({ region: id, page, kind: 'delta', payload: delta });
      } else pages.push(raw(id, page, next));
    }
  }
  return naiveBody(pages);
}

describe.each(['memory', 'file', 'calls'] as const)('applying to %s regions', (as) => {
  test.each([true, false])(
    'does what the naive twin does, and keeps every hash (fresh: %s)',
    async (fresh) => {
      for (let seed = 1; seed <= 2; seed++) {
        const random = new Random(seed);
        const regions = [
          testRegion(new Uint8Array(300 * 4096 + 77), { id: 7, as, fresh }),
          testRegion(new Uint8Array(40 * 4096), { id: 2, as, fresh }),
        ];
        if (!fresh) for (const { bytes } of regions) bytes.set(random.bytes(bytes.length));
        const twin = new Map(regions.map(({ id, bytes }) => [id, bytes.slice()]));
        const engine = new ApplyEngine(regions, { secret });
        const written = new Set<string>();
        for (let round = 0; round < 5; round++) {
          const frame = randomFrame(random, regions);
          const pages = naivePages(frame.body, frame.tableBytes);
          naiveApply(twin, frame);
          const applied = await apply(engine, frame);
          expect(applied.pages).toBe(pages.length);
          for (const { id, bytes } of regions) {
            expect(Buffer.compare(bytes, twin.get(id) ?? new Uint8Array())).toBe(0);
            const expected = hasher.hash(bytes);
            for (const { region, page } of pages) {
              if (region !== id) continue;
              written.add(`${region} ${page}`);
              expect(engine.pageHashes(id, Math.floor(page / 512))[page % 512]).toBe(
                expected[page],
              );
            }
          }
          expect(await engine.reread(150)).toEqual([]);
        }
        expect(await engine.reread(10_000)).toEqual([]);
        expect(engine.rereadPagesLeft).toBe(0);
        // What never came is known where the memory began as zeros, and else hashes to what no page does.
        for (const { id, bytes } of regions) {
          const hashes = [...hasher.hash(bytes)].map((hash, page) =>
            fresh || written.has(`${id} ${page}`) ? hash : 0n,
          );
          const known = hashes.map((_, page) => engine.pageHashes(id, page >>> 9)[page % 512]);
          expect(known).toEqual(hashes);
        }
      }
    },
  );

  test('counts the bytes of a partial last page as they are', async () => {
    const region = testRegion(new Uint8Array(4096 + 5), { as });
    const engine = new ApplyEngine([region], { secret });
    const page = new Uint8Array(4096).fill(0);
    page.fill(9, 0, 5);
    expect(await apply(engine, naiveBody([zero(0, 0), raw(0, 1, page)]))).toEqual({
      pages: 2,
      bytes: 4101,
    });
    expect(region.bytes.subarray(4096)).toEqual(new Uint8Array(5).fill(9));
  });

  test('reports pages that do not hold what was written, and then tells the truth about them', async () => {
    const random = new Random(4);
    const region = testRegion(new Uint8Array(700 * 4096), { as, fresh: true });
    const engine = new ApplyEngine([region], { secret });
    const pages = Array.from({ length: 100 }, (_, page) => raw(0, page + 500, random.bytes(4096)));
    await apply(engine, naiveBody(pages));
    expect(engine.rereadPagesLeft).toBe(100);
    const before = engine.roots();
    region.bytes[555 * 4096] = 1 + (region.bytes[555 * 4096] ?? 0);
    const hash = hasher.hash(region.bytes.subarray(555 * 4096, 556 * 4096))[0];
    expect(await engine.reread(30)).toEqual([]);
    expect(await engine.reread(1000)).toEqual([{ region: 0, page: 555, hash }]);
    expect(engine.roots()).not.toEqual(before);
    expect(await engine.reread(1000)).toEqual([]);
    expect(engine.pageHashes(0, 1)[555 - 512]).toBe(hash);
  });
});

describe('zero pages', () => {
  function untouchable(bytes: Uint8Array, fresh: boolean): Region & { writes: number } {
    const region = testRegion(bytes, { fresh, as: 'file' });
    const counted = {
      ...region,
      byteLength: bytes.length,
      writes: 0,
      write(offset: number, from: Uint8Array) {
        counted.writes++;
        return region.write(offset, from);
      },
    };
    return counted;
  }

  test('are not written to a fresh file, but to what was written in it', async () => {
    const region = untouchable(new Uint8Array(10 * 4096), true);
    const engine = new ApplyEngine([region], { secret });
    const zeros = naiveBody(Array.from({ length: 10 }, (_, page) => zero(0, page)));
    await apply(engine, zeros);
    expect(region.writes).toBe(0);
    expect(engine.rereadPagesLeft).toBe(0);
    await apply(engine, naiveBody([raw(0, 4, new Uint8Array(4096).fill(1))]));
    await apply(engine, zeros);
    expect(region.writes).toBe(2);
    expect(await engine.reread(100)).toEqual([]);
  });

  test('are written to a file that is not fresh', async () => {
    const bytes = new Uint8Array(600 * 4096 + 1).fill(5);
    const region = untouchable(bytes, false);
    const engine = new ApplyEngine([region], { secret });
    await apply(engine, naiveBody(Array.from({ length: 601 }, (_, page) => zero(0, page))));
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(engine.rereadPagesLeft).toBe(601);
  });

  test('leave zero memory alone', async () => {
    const bytes = new Uint8Array(64 * 4096);
    bytes.fill(3, 4096 * 20, 4096 * 21);
    const filled: number[] = [];
    const watched = new Proxy(bytes, {
      get(target, key) {
        if (key === 'fill') filled.push(1);
        const value = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const region = { ...testRegion(bytes), byteLength: bytes.length, memory: () => watched };
    const engine = new ApplyEngine([region], { secret });
    await apply(engine, naiveBody(Array.from({ length: 64 }, (_, page) => zero(0, page))));
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(filled).toHaveLength(1);
  });
});

describe('regions at the destination', () => {
  test('grow, appear and vanish', async () => {
    const one = testRegion(new Uint8Array(100), { id: 1, maxByteLength: 8192, fresh: true });
    const engine = new ApplyEngine([one], { secret });
    const two = testRegion(new Uint8Array(4096), { id: 0, fresh: true });
    one.grow(8192);
    const frame = naiveBody([zero(0, 0), raw(1, 1, new Random(1).bytes(4096))]);
    await expect(apply(engine, frame)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    engine.changeRegion(one);
    engine.changeRegion(two);
    await apply(engine, frame);
    expect(engine.roots().map(({ id, byteLength }) => [id, byteLength])).toEqual([
      [0, 4096],
      [1, 8192],
    ]);
    engine.removeRegion(0);
    await expect(apply(engine, frame)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(() => engine.removeRegion(0)).toThrow(RangeError);
  });

  test('that appear and are not fresh are read back: what they hold is told', async () => {
    const engine = new ApplyEngine([], { secret });
    const region = testRegion(new Uint8Array(2 * 4096), { id: 5 });
    region.bytes[4096] = 1;
    engine.changeRegion(region);
    expect((await engine.reread(100)).map(({ page }) => page)).toEqual([1]);
  });

  test('cannot shrink, nor grow beyond the maximum they came with', () => {
    const region = testRegion(new Uint8Array(8192), { maxByteLength: 12_288 });
    const engine = new ApplyEngine([region], { secret });
    for (const byteLength of [8191, 12_289]) {
      const changed = { ...testRegion(new Uint8Array(byteLength)), byteLength };
      expect(() => engine.changeRegion(changed)).toThrow(
        expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
      );
    }
  });

  test('too large for the bookkeeping are ERR_NO_CAPACITY', () => {
    const region = { ...testRegion(new Uint8Array(0)), maxByteLength: 2 ** 42 };
    expect(() => new ApplyEngine([region], { secret })).toThrow(
      expect.objectContaining({ code: 'ERR_NO_CAPACITY' }),
    );
  });
});

describe('a frame', () => {
  const sizes = [
    { id: 3, bytes: 20 * 4096 + 9 },
    { id: 300, bytes: 5 * 4096 },
  ];
  const make = () => {
    const regions = sizes.map(({ id, bytes }) => testRegion(new Random(id).bytes(bytes), { id }));
    const engine = new ApplyEngine(regions, { secret, channels: 2 });
    const frame = randomFrame(new Random(11), regions);
    return { regions, engine, frame };
  };

  test('in the receive area is not copied', async () => {
    const { regions, engine, frame } = make();
    const twin = new Map(regions.map(({ id, bytes }) => [id, bytes.slice()]));
    naiveApply(twin, frame);
    const area = engine.receiveAreas[1] ?? new Uint8Array();
    area.set(frame.body, 40);
    const body = area.subarray(40, 40 + frame.body.length);
    await engine.apply(body, frame.tableBytes);
    for (const { id, bytes } of regions) expect(bytes).toEqual(twin.get(id));
  });

  test('that the twin refuses is refused, and whatever is refused changes nothing', async () => {
    const change = fc.oneof(
      fc.record({ at: fc.nat(10_000), value: fc.integer({ min: 0, max: 255 }) }),
      fc.record({ cut: fc.nat(10_000) }),
      fc.record({ table: fc.nat(300) }),
    );
    const { regions, engine, frame } = make();
    const original = regions.map(({ bytes }) => bytes.slice());
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let body = Uint8Array.from(frame.body);
        let { tableBytes } = frame;
        for (const each of changes) {
          if ('cut' in each) body = body.subarray(0, body.length - (each.cut % body.length));
          else if ('table' in each) tableBytes = each.table;
          // Half of the changes hit the table, which is small.
          else body[each.at % (each.at % 2 ? tableBytes + 1 : body.length)] = each.value;
        }
        const twin = new Map(regions.map(({ id, bytes }) => [id, bytes.slice()]));
        let accepts = true;
        try {
          if (tableBytes > body.length) throw new Error('table');
          naiveApply(twin, { body, tableBytes }, 'any');
        } catch {
          accepts = false;
        }
        const before = regions.map(({ bytes }) => bytes.slice());
        try {
          await engine.apply(body, tableBytes);
          expect(accepts).toBe(true);
          for (const { id, bytes } of regions) {
            expect(Buffer.compare(bytes, twin.get(id) ?? new Uint8Array())).toBe(0);
          }
        } catch (error) {
          if (!(error instanceof FerryError)) throw error;
          expect(accepts).toBe(false);
          expect(['ERR_FRAME_CORRUPT', 'ERR_OUT_OF_RANGE']).toContain(error.code);
          regions.forEach(({ bytes }, index) => {
            expect(Buffer.compare(bytes, before[index] ?? new Uint8Array())).toBe(0);
          });
        }
        for (const [index, { bytes }] of regions.entries()) bytes.set(original[index] ?? []);
      }),
      { numRuns: 400 },
    );
  });

  test('of arbitrary bytes gives only coded errors', async () => {
    const { engine } = make();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.integer(), async (body, tableBytes) => {
        for (const table of [tableBytes, Math.abs(tableBytes) % (body.length + 1)]) {
          const error = await engine.apply(body, table).catch((reason: unknown) => reason);
          if (error instanceof Error && !(error instanceof FerryError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  const table = (...numbers: number[]) => numbers.flatMap(varint);
  const head = (count: number, kind: number, changed = true) =>
    count * 16 + (changed ? 8 : 0) + kind;
  test.each<[string, number[], number, string]>([
    ['of no runs', [], 0, 'ERR_FRAME_CORRUPT'],
    ['that starts without a region', table(0, head(1, 0, false)), 0, 'ERR_FRAME_CORRUPT'],
    ['with a run of no pages', table(0, head(0, 0), 3), 0, 'ERR_FRAME_CORRUPT'],
    ['with a copy page', table(0, head(1, 3), 3), 4, 'ERR_FRAME_CORRUPT'],
    ['with a patch page', table(0, head(1, 4), 3), 4, 'ERR_FRAME_CORRUPT'],
    ['with an unknown region', table(0, head(1, 0), 4), 0, 'ERR_OUT_OF_RANGE'],
    ['with a page behind the end', table(20, head(2, 0), 3), 0, 'ERR_OUT_OF_RANGE'],
    [
      'with a gap that would overflow',
      table(5, head(1, 0), 3, 0xffffffff, head(1, 0, false)),
      0,
      'ERR_OUT_OF_RANGE',
    ],
    ['whose regions descend', table(0, head(1, 0), 300, 0, head(1, 0), 3), 0, 'ERR_FRAME_CORRUPT'],
    [
      'that names a region twice',
      table(0, head(1, 0), 3, 5, head(1, 0), 3),
      0,
      'ERR_FRAME_CORRUPT',
    ],
    ['with an overlong varint', [0x80, 0x00, ...table(head(1, 0), 3)], 0, 'ERR_FRAME_CORRUPT'],
    [
      'with a varint above 32 bits',
      [0xff, 0xff, 0xff, 0xff, 0x1f, ...table(head(1, 0), 3)],
      0,
      'ERR_FRAME_CORRUPT',
    ],
    ['with bytes left over', table(0, head(1, 0), 3), 1, 'ERR_FRAME_CORRUPT'],
    ['whose payload is cut off', table(0, head(1, 5), 3), 4095, 'ERR_FRAME_CORRUPT'],
    ['with an empty delta', table(0, head(1, 2), 3), 2, 'ERR_FRAME_CORRUPT'],
  ])('%s is refused', async (_, runs, payloadBytes, code) => {
    const { engine } = make();
    const body = Uint8Array.from([...runs, ...new Uint8Array(payloadBytes)]);
    await expect(engine.apply(body, runs.length)).rejects.toMatchObject({ code });
  });

  test('of more than 32,768 pages is refused', async () => {
    const region = testRegion(new Uint8Array(40_000 * 4096), { fresh: true });
    const engine = new ApplyEngine([region], { secret });
    const body = (count: number) => Uint8Array.from(table(0, head(count, 0), 0));
    await expect(engine.apply(body(32_769), body(32_769).length)).rejects.toMatchObject({
      code: 'ERR_FRAME_CORRUPT',
    });
    expect(await engine.apply(body(32_768), body(32_768).length)).toMatchObject({ pages: 32_768 });
  });

  test('larger than the receive area is refused', async () => {
    const { engine } = make();
    const body = new Uint8Array((engine.receiveAreas[0]?.length ?? 0) + 1);
    await expect(engine.apply(body, 3)).rejects.toMatchObject({ code: 'ERR_FRAME_TOO_LARGE' });
  });
});

test('what a frame that failed half-way left is not carried out with the next', async () => {
  const random = new Random(3);
  const region = testRegion(random.bytes(2 * 4096), { as: 'file' });
  let fails = true;
  const engine = new ApplyEngine(
    [
      {
        ...region,
        byteLength: 8192,
        write: (offset, from) =>
          fails ? Promise.reject(new Error('disk')) : region.write(offset, from),
      },
    ],
    { secret },
  );
  const fill = { region: 0, page: 0, kind: 'fill', payload: random.bytes(8) } as const;
  const frame = naiveBody([fill, raw(0, 1, random.bytes(4096))]);
  await expect(apply(engine, frame)).rejects.toThrow('disk');
  fails = false;
  const before = region.bytes.slice(0, 4096);
  const last = random.bytes(4096);
  await apply(engine, naiveBody([raw(0, 1, last)]));
  expect(region.bytes.slice(0, 4096)).toEqual(before);
  expect(region.bytes.slice(4096)).toEqual(last);
});

test('a re-read that a frame overtakes reports nothing of what it saw', async () => {
  const region = testRegion(new Uint8Array(8 * 4096), { as: 'file', fresh: true });
  const engine = new ApplyEngine([region], { secret });
  const random = new Random(2);
  const frame = () => naiveBody([raw(0, 1, random.bytes(4096)), raw(0, 2, random.bytes(4096))]);
  await apply(engine, frame());
  const rereading = engine.reread(100);
  const applying = apply(engine, frame());
  expect(await rereading).toEqual([]);
  await applying;
  expect(engine.rereadPagesLeft).toBe(2);
  expect(await engine.reread(100)).toEqual([]);
  expect(engine.rereadPagesLeft).toBe(0);
});

const fillOf = (page: number): NaivePage => {
  return { region: 0, page, kind: 'fill', payload: new Uint8Array(8).fill(3) };
};

test.each([
  { what: 'raw', at: 0 },
  { what: 'built', at: 5 * 4096 },
])(
  'a $what write that fails while others are waited for fails the frame, and nothing besides',
  async ({ at }) => {
    const region = testRegion(new Uint8Array(8 * 4096).fill(1), { as: 'file' });
    const unhandled: unknown[] = [];
    const noted = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', noted);
    let written = 0;
    const failing: Region = {
      ...region,
      byteLength: 8 * 4096,
      write: async (offset, from) => {
        if (offset === at) throw new FerryError('ERR_DISK_FULL', 'no room');
        await new Promise((resolve) => setTimeout(resolve, 20));
        written += from.length;
      },
    };
    const engine = new ApplyEngine([failing], { secret });
    const noise = new Random(1).bytes(4096);
    try {
      const frame = naiveBody([
        ...[raw(0, 0, noise), zero(0, 2), raw(0, 4, noise)],
        ...[fillOf(5), fillOf(7)],
      ]);
      await expect(apply(engine, frame)).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
      // Nor does anything of the frame go on behind its end.
      expect(written).toBe(4 * 4096);
      await new Promise((resolve) => setTimeout(resolve, 0));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', noted);
    }
  },
);
