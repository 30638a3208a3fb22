import { randomBytes } from 'node:crypto';
import { cp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { type Manifest, openStore, type Store } from '../../src/snapshot/index.js';
import { makeManifestParts, sealManifest } from '../../src/snapshot/manifest.js';
import { pagesOf, snapshotRoot } from '../../src/snapshot/merkle.js';
import { Sealer, section } from '../../src/snapshot/sealed.js';
import {
  isEqual,
  makeFolder,
  makeImage,
  makeRandom,
  openTestStore,
  restored,
  seeds,
  snapshotOf,
} from './support.js';

/** How many places of each file are damaged beside those that mean something. */
const randomPlaces = process.env['PAGEFERRY_NIGHTLY'] === '1' ? 40 : 2;
/** Two snapshots that share nothing and one that is a delta to the first; by counter what they hold. */
async function makeStore(path: string, key?: Uint8Array): Promise<Uint8Array[]> {
  const store = await openTestStore(path, key && { key });
  const one = makeImage(seeds(70));
  const first = await snapshotOf(store, one, { name: 'one' });
  const two = makeImage(seeds(70, 1000));
  await snapshotOf(store, two, { name: 'two' });
  const three = one.slice();
  three[10_000] = 1;
  await snapshotOf(store, three, { name: 'three', parent: first });
  // So that there is a file of what is condemned.
  await store.prune({ keep: (all) => all.map(({ counter }) => counter) });
  return [one, two, three];
}

async function filesOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Which snapshots give back what they held; others must fail with a code. */
async function goodOnes(store: Store, images: readonly Uint8Array[]): Promise<number[]> {
  const good: number[] = [];
  for (const info of await store.snapshots()) {
    try {
      if (!isEqual(await restored(store, info), images[info.counter - 1] as Uint8Array)) {
        throw new Error(`snapshot ${info.counter} is wrong, and nobody says so`);
      }
      good.push(info.counter);
    } catch (error) {
      expect(error).toBeInstanceOf(FerryError);
      expect((error as FerryError).code).toMatch(/^ERR_(STORE_CORRUPT|STORE_VERSION|IO)$/);
    }
  }
  return good;
}

describe.each([undefined, randomBytes(32)])('a byte flipped in a store', (key) => {
  it(`in any of its files${key ? ', encrypted' : ''}, is found, and costs only what is there`, async () => {
    const origin = join(await makeFolder(), 'store');
    const images = await makeStore(origin, key);
    const other = makeImage(seeds(5, 5000));
    const random = makeRandom(7);
    for (const file of (await filesOf(origin)).map((name) => name.slice(origin.length + 1))) {
      const bytes = await readFile(join(origin, file));
      const path = join(await makeFolder(), 'store');
      await cp(origin, path, { recursive: true });
      const places = [0, 10, 17, bytes.length - 1];
      for (let more = 0; more < randomPlaces; more++)
        places.push(Math.floor(random() * bytes.length));
      for (const place of places) {
        const damaged = Buffer.from(bytes);
        damaged[place] = (damaged[place] as number) ^ (1 << Math.floor(random() * 8));
        await writeFile(join(path, file), damaged);
        if (file === 'store') {
          await expect(openStore(path, key && { key })).rejects.toMatchObject({
            code: expect.stringMatching(/^ERR_(STORE_CORRUPT|AUTH)$/),
          });
          continue;
        }
        const store = await openTestStore(path, key && { key });
        const good = await goodOnes(store, images);
        const report = await store.verify();
        expect(report.good).toEqual(good);
        expect(report.damaged.map(({ counter }) => counter)).toEqual(
          [1, 2, 3].filter((counter) => !good.includes(counter)),
        );
        for (const damage of report.damaged) {
          expect(damage.file).toBe(file);
          expect(damage.error).toBeInstanceOf(FerryError);
          if (file.startsWith('snapshots/')) continue;
          expect(damage.region).toBe('disk');
          expect(damage.page).toBeGreaterThanOrEqual(0);
        }
        if (file !== 'condemned') expect(good.length).toBeLessThan(3);
        expect(good.length).toBeGreaterThan(0);
      }
      if (file === 'store') continue;
      // It can still be written to.
      const store = await openTestStore(path, key && { key });
      const info = await snapshotOf(store, other);
      expect(isEqual(await restored(store, info), other)).toBe(true);
    }
  });
});

describe('a store', () => {
  it('names the first page that a missing pack takes away', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const parent = await snapshotOf(store, makeImage([0, 0, ...seeds(20)]));
    const [pack] = (await readdir(join(path, 'packs'))).filter((name) => name.endsWith('.pack'));
    await snapshotOf(store, makeImage([0, 500, ...seeds(20)]), { parent });
    await snapshotOf(store, makeImage(seeds(20, 900)));
    await rm(join(path, 'packs', pack as string));
    const report = await (await openTestStore(path)).verify();
    expect(report.good).toEqual([3]);
    expect(report.damaged).toMatchObject([
      { counter: 1, region: 'disk', page: 2, file: `packs/${pack}` },
      { counter: 2, region: 'disk', page: 2, file: `packs/${pack}` },
    ]);
    expect(report.damaged[0]?.error).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
  });

  it('from the future is told from a damaged one', async () => {
    const path = await makeFolder();
    await makeStore(path);
    for (const file of ['store', 'snapshots/0000000002.manifest']) {
      const bytes = await readFile(join(path, file));
      bytes.writeUInt16LE(2, 10);
      bytes.writeUInt16LE(0xfffd, 12);
      await writeFile(join(path, file), bytes);
      if (file === 'store') {
        await expect(openStore(path)).rejects.toMatchObject({ code: 'ERR_STORE_VERSION' });
        bytes.writeUInt16LE(1, 10);
        bytes.writeUInt16LE(0xfffe, 12);
        await writeFile(join(path, file), bytes);
      }
    }
    const store = await openTestStore(path);
    const [, second] = await store.snapshots();
    expect(second?.error).toMatchObject({ code: 'ERR_STORE_VERSION' });
    // What nobody here understands is not pruned away.
    await expect(store.prune({ keep: () => [] })).rejects.toMatchObject({
      code: 'ERR_STORE_VERSION',
    });
    expect(await store.snapshots()).toHaveLength(3);
  });

  it('is not what somebody else has in a folder', async () => {
    const path = await makeFolder();
    await writeFile(join(path, 'letter.txt'), 'dear all');
    for (const create of [true, false]) {
      await expect(openStore(path, { create })).rejects.toMatchObject({
        code: 'ERR_STORE_CORRUPT',
      });
    }
    expect(await readdir(path)).toEqual(['letter.txt']);
    await expect(openStore(join(path, 'none'))).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(openStore(join(path, 'letter.txt'))).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('does not take the files of another store for its own', async () => {
    const [one, other] = [await makeFolder(), await makeFolder()];
    const images = await makeStore(one);
    await makeStore(other);
    const name = join('snapshots', '0000000002.manifest');
    await cp(join(one, name), join(other, name));
    const store = await openTestStore(other);
    expect(await goodOnes(store, images)).toEqual([1, 3]);
  });

  it('does not follow links out of its folder', async () => {
    const path = await makeFolder();
    const images = await makeStore(path);
    const elsewhere = await makeFolder();
    const name = join(path, 'snapshots', '0000000002.manifest');
    await cp(name, join(elsewhere, 'there'));
    await rm(name);
    await symlink(join(elsewhere, 'there'), name);
    expect(await goodOnes(await openTestStore(path), images)).toEqual([1, 3]);
  });
});

describe('a manifest that lies', () => {
  const root = '0'.repeat(64);

  async function lie(change: (manifest: Manifest) => unknown): Promise<string> {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const info = await snapshotOf(store, makeImage(seeds(5)));
    const sealer = new Sealer(store.id, undefined);
    const manifest = info.manifest as Manifest;
    const lying = change(structuredClone(manifest)) as Manifest;
    const { table } = manifest;
    const parts = sealManifest(sealer, 1, makeManifestParts({ ...lying, table }));
    await writeFile(join(path, 'snapshots', '0000000001.manifest'), Buffer.concat(parts));
    const [read] = await (await openTestStore(path)).snapshots();
    expect(read?.manifest).toBeUndefined();
    expect(read?.error).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
    return read?.error?.message ?? '';
  }

  const withRegion = (change: object) => (manifest: Manifest) => {
    const regions = [{ ...manifest.regions[0], ...change }] as Manifest['regions'];
    return { ...manifest, regions, root: safeRoot(regions) };
  };

  function safeRoot(regions: Manifest['regions']): string {
    try {
      return snapshotRoot(regions);
    } catch {
      return root;
    }
  }

  it.each([
    '..',
    '../x',
    'a/../b',
    '/etc/passwd',
    'a//b',
    '.',
    'a/.',
    '',
    'a\0b',
    '\ud800',
    'x'.repeat(5000),
  ])('in a name: %j', async (name) => {
    expect(await lie(withRegion({ name }))).toMatch(/cannot have the name/);
  });

  it.each([
    { byteLength: 2 ** 53 },
    { byteLength: -1 },
    { byteLength: 1.5 },
    { byteLength: 2 ** 45 },
    { byteLength: 2 ** 40, pageCount: pagesOf(2 ** 40), firstPage: 2 ** 32 - 5 },
    { pageCount: 1 },
    { firstPage: -1 },
    { role: 'soul' },
    { root: 'x' },
    { name: 7 },
  ])('in a region: %j', async (change) => {
    await lie(withRegion(change));
  });

  it.each([
    [{ regions: 7 }],
    [{ root: 'x' }],
    [{ root }],
    [{ counter: 2 }],
    [{ name: '' }],
    [{ name: 'a\nb' }],
    [{ store: root }],
    [{ version: 2 }],
    [{ time: 'now' }],
    [{ parent: 1 }],
    [{ pages: -1 }],
  ])('in a field: %j', async (change) => {
    await lie((manifest) => ({ ...manifest, ...change }));
  });

  it('with two regions of one name, or regions that overlap', async () => {
    for (const name of ['disk', 'other']) {
      await lie((manifest) => {
        const regions = [...manifest.regions, { ...manifest.regions[0], name }];
        return { ...manifest, regions, root: snapshotRoot(regions as Manifest['regions']) };
      });
    }
  });

  it('with ten million entries is not even read', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    await snapshotOf(store, makeImage(seeds(5)));
    const body = Buffer.from(`{"regions":[${'{},'.repeat(10_000_000)}{}]}`);
    const sealed = new Sealer(store.id, undefined).seal(section.manifest, '1', body);
    await writeFile(join(path, 'snapshots', '0000000001.manifest'), sealed);
    const [info] = await store.snapshots();
    expect(info?.error).toMatchObject({
      code: 'ERR_STORE_CORRUPT',
      message: expect.stringContaining('a lying length'),
    });
  });

  it('with a length that its file has not got allocates nothing', async () => {
    const path = await makeFolder();
    const images = await makeStore(path);
    for (const file of await filesOf(path)) {
      if (!/manifest|index|table/.test(file)) continue;
      const bytes = await readFile(file);
      bytes.writeUInt32LE(0xffff_fff0, 16);
      await writeFile(file, bytes);
    }
    expect(await goodOnes(await openTestStore(path), images)).toEqual([]);
  });
});
