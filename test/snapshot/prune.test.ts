import { generateKeyPairSync } from 'node:crypto';
import { readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Manifest,
  type SnapshotInfo,
  STORE_PAGE_BYTES,
  type Store,
} from '../../src/snapshot/index.js';
import { makeManifestParts, sealManifest } from '../../src/snapshot/manifest.js';
import { Sealer } from '../../src/snapshot/sealed.js';
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

/** Bytes of all files. */
async function spaceOf(path: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

/** Snapshots of an image that changes: some pages wholly, some by a few bytes. */
async function makeHistory(
  store: Store,
  rounds: number,
  pages: number,
): Promise<{ images: Uint8Array[]; infos: SnapshotInfo[] }> {
  const random = makeRandom(rounds);
  const image = makeImage(seeds(pages));
  const images: Uint8Array[] = [];
  const infos: SnapshotInfo[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round > 0) {
      for (let change = 0; change < pages / 20; change++) {
        const at = Math.floor(random() * pages) * STORE_PAGE_BYTES;
        if (change % 2 === 0) image[at + round * 3] = round;
        else image.set(makeImage([100_000 + round * pages + change]), at);
      }
    }
    const parent = infos.at(-1);
    infos.push(
      await snapshotOf(store, image, { name: `round ${round}`, ...(parent && { parent }) }),
    );
    images.push(image.slice());
  }
  return { images, infos };
}

const keepOnly =
  (...counters: number[]) =>
  () =>
    counters;

describe('prune', () => {
  it('leaves what the kept snapshots need, and no more than 5 % above', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const { images } = await makeHistory(store, 20, 2000);
    const kept = [8, 15, 20];
    const first = await store.prune({ keep: keepOnly(...kept), graceMs: 0 });
    expect(first.removedSnapshots).toHaveLength(17);
    expect(first.deleted).toBe(0);
    const second = await store.prune({ keep: keepOnly(...kept), graceMs: 0 });
    expect(second.deleted).toBe(first.condemned);
    expect(second.freedBytes).toBe(first.condemnedBytes);
    const other = await makeFolder();
    const fresh = await openTestStore(other);
    let parent: SnapshotInfo | undefined;
    for (const counter of kept) {
      const image = images[counter - 1] as Uint8Array;
      expect(isEqual(await restored(store, await store.find(String(counter))), image)).toBe(true);
      parent = await snapshotOf(fresh, image, parent && { parent });
    }
    const again = await openTestStore(path);
    expect((await again.verify()).good).toEqual(kept);
    expect((await spaceOf(path)) / (await spaceOf(other))).toBeLessThan(1.05);
  });

  it('does nothing where all is kept, and never gives a counter twice', async () => {
    const store = await openTestStore(await makeFolder());
    const image = makeImage(seeds(50));
    await snapshotOf(store, image);
    await snapshotOf(store, image);
    const report = await store.prune({ keep: keepOnly(1, 2) });
    expect(report).toMatchObject({ removedSnapshots: [], condemned: 0, repackedPages: 0 });
    await store.prune({ keep: keepOnly(1) });
    expect((await snapshotOf(store, image)).counter).toBe(3);
    expect(await store.prune({ keep: () => [] })).toMatchObject({ removedSnapshots: [1, 3] });
    expect((await snapshotOf(store, image)).counter).toBe(4);
  });

  it('deletes after the grace only, and not what is needed again', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    await snapshotOf(store, makeImage(seeds(50)));
    const before = await spaceOf(path);
    const { condemned } = await store.prune({ keep: () => [] });
    expect(condemned).toBeGreaterThan(0);
    expect(await store.prune({ keep: () => [] })).toMatchObject({ deleted: 0, condemned: 0 });
    expect(await spaceOf(path)).toBeGreaterThan(before / 2);
    // A new snapshot does not refer to what is condemned.
    const image = makeImage(seeds(50));
    const info = await snapshotOf(store, image);
    const report = await store.prune({ keep: keepOnly(info.counter), graceMs: 0 });
    expect(report.deleted).toBe(condemned);
    expect(isEqual(await restored(store, info), image)).toBe(true);
    expect((await snapshotOf(store, image)).manifest?.pages).toBe(50);
  });

  it('gives back what it had moved out of the way when somebody needed it after all', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const image = makeImage(seeds(50));
    const info = await snapshotOf(store, image);
    const packs = join(path, 'packs');
    for (const name of await readdir(packs)) {
      await rename(join(packs, name), join(packs, `${name}.trash`));
    }
    const reader = await openTestStore(path);
    expect(isEqual(await restored(reader, info), image)).toBe(true);
    await store.prune({ keep: keepOnly(1), graceMs: 0 });
    expect((await readdir(packs)).some((name) => name.endsWith('.trash'))).toBe(false);
    expect((await (await openTestStore(path)).verify()).good).toEqual([1]);
  });

  it('is refused while somebody writes, and its writers while it runs', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const regions = [{ name: 'disk', role: 'file' as const, byteLength: 4096 }];
    const writer = await store.begin({ name: 'slow', regions });
    await expect(store.prune({ keep: () => [] })).rejects.toMatchObject({ code: 'ERR_BUSY' });
    await writer.abandon();
    await store.prune({ keep: () => [] });
  });

  it('makes a writer begin again whose pages it took', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const image = makeImage(seeds(50));
    const parent = await snapshotOf(store, image);
    await using writer = await store.begin({
      name: 'suspended',
      parent,
      regions: [{ name: 'disk', role: 'file', byteLength: image.length }],
    });
    await writer.keep(0, 0, 50);
    // It stood still for so long that nobody takes its lock for one.
    for (const name of await readdir(join(path, 'locks'))) {
      await utimes(join(path, 'locks', name), 1, 1);
    }
    const other = await openTestStore(path);
    await other.prune({ keep: () => [] });
    await expect(writer.publish()).rejects.toMatchObject({ code: 'ERR_BUSY' });
    expect(await store.snapshots()).toEqual([]);
    const again = await snapshotOf(store, image);
    expect(isEqual(await restored(store, again), image)).toBe(true);
  });

  it('needs no key to keep a snapshot signed whose pages it moves', async () => {
    const path = await makeFolder();
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const { images } = await makeHistory(
      await openTestStore(path, { signWith: privateKey }),
      4,
      100,
    );
    const report = await (await openTestStore(path)).prune({ keep: keepOnly(4), graceMs: 0 });
    expect(report.repackedPages).toBeGreaterThan(0);
    const store = await openTestStore(path, { verifyWith: publicKey });
    await store.prune({ keep: keepOnly(4), graceMs: 0 });
    const [info] = await store.snapshots();
    expect(info).toMatchObject({ counter: 4, signed: true });
    const image = images[3] as Uint8Array;
    expect(isEqual(await restored(store, await store.find('4')), image)).toBe(true);
  });

  it('takes a revision for one only if its files are there', async () => {
    const path = await makeFolder();
    const store = await openTestStore(path);
    const image = makeImage(seeds(30));
    const info = await snapshotOf(store, image);
    // What a run left that was suspended before it could look whether its pages still were there.
    const manifest = { ...(info.manifest as Manifest), table: 'ab'.repeat(16) };
    const parts = sealManifest(new Sealer(store.id, undefined), 1, makeManifestParts(manifest));
    const stale = join(path, 'snapshots', '0000000001-3.manifest');
    await writeFile(stale, Buffer.concat(parts));
    expect(isEqual(await restored(store, await store.find('1')), image)).toBe(true);
    await store.prune({ keep: keepOnly(1), graceMs: 0 });
    expect(await readdir(join(path, 'snapshots'))).toEqual(['0000000001.manifest']);
    expect((await store.verify()).good).toEqual([1]);
  });
});
