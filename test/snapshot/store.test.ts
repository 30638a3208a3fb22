import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { STORE_PAGE_BYTES } from '../../src/snapshot/index.js';
import {
  isEqual,
  makeFolder,
  makeImage,
  makeRandom,
  openTestStore,
  readRegion,
  restored,
  seeds,
  snapshotOf,
  writeImage,
} from './support.js';

describe('a store', () => {
  it('gives back what it was given, and nothing for zeros', async () => {
    const store = await openTestStore(await makeFolder());
    const image = makeImage([...seeds(100), ...new Array(50).fill(0), ...seeds(30, 500)]);
    const info = await snapshotOf(store, image.subarray(0, image.length - 1000));
    expect(info.manifest?.pages).toBe(130);
    await using reader = await store.read(info);
    expect(isEqual(await readRegion(reader), image.subarray(0, image.length - 1000))).toBe(true);
    expect(await reader.nextRun(0, 0)).toEqual({ page: 0, count: 100 });
    expect(await reader.nextRun(0, 100)).toEqual({ page: 150, count: 30 });
    expect(await reader.nextRun(0, 180)).toBeUndefined();
  });

  it('opens again and finds snapshots by name and counter', async () => {
    const path = await makeFolder();
    const image = makeImage(seeds(10));
    await snapshotOf(await openTestStore(path), image, { name: 'a' });
    await snapshotOf(await openTestStore(path), image, { name: 'b' });
    const store = await openTestStore(path, { create: false });
    await snapshotOf(store, image, { name: 'a' });
    expect((await store.snapshots()).map(({ counter }) => counter)).toEqual([1, 2, 3]);
    expect((await store.find('a')).counter).toBe(3);
    expect((await store.find('2')).manifest?.name).toBe('b');
    await expect(store.find('c')).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
      message: expect.stringContaining('1 a, 2 b, 3 a'),
    });
  });

  it('stores what it has only once: in a batch, in a snapshot, and between snapshots', async () => {
    const store = await openTestStore(await makeFolder());
    await using writer = await store.begin({
      name: 'twins',
      regions: [{ name: 'disk', role: 'file', byteLength: 300 * STORE_PAGE_BYTES }],
    });
    const image = makeImage([...seeds(100), ...seeds(100), ...seeds(50), ...seeds(50)]);
    await writeImage(writer, 0, image);
    expect(writer.counts).toMatchObject({ whole: 100, known: 200, same: 0, delta: 0 });
    const info = await writer.publish();
    expect(isEqual(await restored(store, info), image)).toBe(true);
    await using other = await store.begin({
      name: 'more',
      regions: [{ name: 'other', role: 'file', byteLength: 300 * STORE_PAGE_BYTES }],
    });
    await writeImage(other, 0, image);
    expect(other.counts).toMatchObject({ whole: 0, known: 300 });
    expect(isEqual(await restored(store, await other.publish()), image)).toBe(true);
  });

  it('stores changed pages as deltas, at most 8 deep, and reads all of them', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const image = makeImage(seeds(200));
    let parent = await snapshotOf(store, image);
    const states = [image.slice()];
    const infos = [parent];
    let deltas = 0;
    let wholes = 0;
    for (let round = 0; round < 12; round++) {
      for (let page = 0; page < 200; page += 10) {
        image[page * STORE_PAGE_BYTES + 8 * round] = 255 - round;
      }
      await using writer = await store.begin({
        name: 'next',
        parent,
        regions: [{ name: 'disk', role: 'file', byteLength: image.length }],
      });
      await writeImage(writer, 0, image);
      expect(writer.counts.same).toBe(180);
      deltas += writer.counts.delta;
      wholes += writer.counts.whole;
      parent = await writer.publish();
      states.push(image.slice());
      infos.push(parent);
    }
    expect(wholes).toBe(20);
    expect(deltas).toBe(220);
    for (const [round, info] of infos.entries()) {
      expect(isEqual(await restored(store, info), states[round] as Uint8Array)).toBe(true);
    }
    expect(infos[3]?.manifest?.parent).toEqual({ counter: 3, root: infos[2]?.manifest?.root });
    expect(infos[1]?.manifest?.storedBytes).toBeLessThan(4000);
  });

  it('keeps pages without looking at them, and clears others', async () => {
    const store = await openTestStore(await makeFolder());
    const image = makeImage(seeds(20_000));
    const parent = await snapshotOf(store, image);
    await using writer = await store.begin({
      name: 'kept',
      parent,
      regions: [{ name: 'disk', role: 'file', byteLength: image.length }],
    });
    await writer.keep(0, 0, 20_000);
    await writer.clear(0, 500, 1000);
    const changed = makeImage([77_777]);
    const ids = await writer.parentIds(0, 0, 2);
    expect(ids).toHaveLength(32);
    await writeImage(writer, 0, changed);
    const info = await writer.publish();
    image.set(changed);
    image.fill(0, 500 * STORE_PAGE_BYTES, 1500 * STORE_PAGE_BYTES);
    expect(isEqual(await restored(store, info), image)).toBe(true);
    expect(info.manifest?.pages).toBe(19_000);
    // Of three segments of the table only one was written again.
    expect(info.manifest?.storedBytes).toBeLessThan(5000);
  });

  it('keeps its regions apart, whatever becomes of their lengths', async () => {
    const store = await openTestStore(await makeFolder());
    const lengths = [3, 0, 7, 1].map((pages) => pages * STORE_PAGE_BYTES);
    const names = ['a/b', 'c', 'a/d', 'e'];
    let parent: Awaited<ReturnType<typeof snapshotOf>> | undefined;
    const random = makeRandom(5);
    for (let round = 0; round < 6; round++) {
      const images = lengths.map((length, region) =>
        makeImage(seeds(Math.ceil(length / STORE_PAGE_BYTES), 100 * region + round)).subarray(
          0,
          length,
        ),
      );
      await using writer = await store.begin({
        name: 'folder',
        ...(parent && { parent }),
        regions: names.map((name, region) => ({
          name,
          role: 'file' as const,
          byteLength: lengths[region] as number,
          maxByteLength: 40 * STORE_PAGE_BYTES,
        })),
      });
      for (const [region, image] of images.entries()) await writeImage(writer, region, image);
      parent = await writer.publish({ byteLengths: lengths });
      await using reader = await store.read(parent);
      for (const [region, image] of images.entries()) {
        expect(isEqual(await readRegion(reader, region), image)).toBe(true);
      }
      for (const region of lengths.keys()) {
        lengths[region] = Math.floor(random() * 40 * STORE_PAGE_BYTES);
      }
      if (round === 3) {
        names.reverse();
        lengths.reverse();
      }
    }
  });

  it.each(['none', 'lz4', 'zstd'] as const)(
    'compresses by %s, or says that it cannot',
    async (compression) => {
      const path = await makeFolder();
      if (compression === 'zstd' && !('zstdCompressSync' in zlib)) {
        const opened = openTestStore(path, { compression });
        await expect(opened).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
        return;
      }
      const image = makeImage(seeds(130));
      const info = await snapshotOf(await openTestStore(path, { compression }), image);
      const stored = info.manifest?.storedBytes ?? 0;
      if (compression === 'none') expect(stored).toBeGreaterThan(image.length);
      else expect(stored).toBeLessThan(0.9 * image.length);
      // Whoever reads need not know by what it was written.
      expect(isEqual(await restored(await openTestStore(path), info), image)).toBe(true);
    },
  );

  it('plans reads for threads that have no store', async () => {
    const store = await openTestStore(await makeFolder());
    const image = makeImage([...seeds(70), 0, 0, ...seeds(10, 900)]);
    const parent = await snapshotOf(store, image);
    image[5] = 9;
    const info = await snapshotOf(store, image, { parent });
    await using reader = await store.read(info);
    const plan = await reader.plan(0, 0, 82);
    expect([...plan.built]).toEqual([0]);
    expect(plan.packs).toHaveLength(1);
    expect(plan.whole.length / 3).toBe(79);
    expect(plan.whole.slice(0, 3)).toEqual(Uint32Array.of(1, 0, STORE_PAGE_BYTES));
    expect(plan.ids.slice(0, 16)).toEqual(await reader.pageIds(0, 1, 1));
    expect(plan.blocks.length / 5).toBe(2);
  });
});

describe('an encrypted store', () => {
  it('opens with its key only, and shows nothing of what it holds', async () => {
    const path = await makeFolder();
    const key = randomBytes(32);
    const store = await openTestStore(path, { key });
    const image = makeImage(seeds(100));
    image.set(Buffer.from('the quick brown fox'), 100);
    const info = await snapshotOf(store, image, { name: 'secret name' });
    expect(isEqual(await restored(store, info), image)).toBe(true);
    const again = await openTestStore(path, { key });
    expect(isEqual(await restored(again, await again.find('secret name')), image)).toBe(true);
    const other = { key: randomBytes(32) };
    await expect(openTestStore(path, other)).rejects.toMatchObject({ code: 'ERR_AUTH' });
    await expect(openTestStore(path)).rejects.toMatchObject({ code: 'ERR_AUTH' });
    for (const folder of ['packs', 'tables', 'snapshots']) {
      for (const name of await readdir(join(path, folder))) {
        const bytes = await readFile(join(path, folder, name));
        expect(bytes.includes('quick brown') || bytes.includes('secret name')).toBe(false);
      }
    }
    const plain = await openTestStore(await makeFolder());
    const unkeyed = await snapshotOf(plain, image);
    await using one = await plain.read(unkeyed);
    await using two = await store.read(info);
    expect(await one.pageIds(0, 0, 1)).not.toEqual(await two.pageIds(0, 0, 1));
  });

  it('is not what a key opens that has none', async () => {
    const path = await makeFolder();
    await openTestStore(path);
    const key = randomBytes(32);
    await expect(openTestStore(path, { key })).rejects.toMatchObject({ code: 'ERR_AUTH' });
  });
});

describe('a signed snapshot', () => {
  it('is refused where another key, or none, signed it', async () => {
    const path = await makeFolder();
    const ours = generateKeyPairSync('ed25519');
    const theirs = generateKeyPairSync('ed25519');
    const image = makeImage(seeds(5));
    await snapshotOf(await openTestStore(path), image);
    await snapshotOf(await openTestStore(path, { signWith: theirs.privateKey }), image);
    await snapshotOf(await openTestStore(path, { signWith: ours.privateKey }), image);
    const store = await openTestStore(path, { verifyWith: ours.publicKey });
    const all = await store.snapshots();
    expect(all.map(({ signed, error }) => signed ?? (error as { code?: string }).code)).toEqual([
      'ERR_AUTH',
      'ERR_AUTH',
      true,
    ]);
    expect(isEqual(await restored(store, await store.find('3')), image)).toBe(true);
  });
});
