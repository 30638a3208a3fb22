import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type * as Snapshots from '../../src/snapshot/index.js';
import { makeFolder, makeImage } from './support.js';

// Threads run what is built.
const built = pathToFileURL(resolve('dist/snapshot/index.js')).href;
const { openStore, restoreFiles, snapshotFiles } = (await import(built)) as typeof Snapshots;

const pageBytes = 4096;
const sectionPages = 8192;

/** 1: `seeds` of pages, then an empty file, then one of more than a section. */
async function makeFiles(folder: string): Promise<string> {
  const files = join(folder, 'files');
  mkdirSync(files);
  writeFileSync(join(files, 'a'), makeImage([1, 2, 0, 3, 4]).subarray(0, 4 * pageBytes + 100));
  writeFileSync(join(files, 'b'), '');
  const large = Buffer.alloc((sectionPages + 700) * pageBytes);
  large.set(makeImage([5, 6, 7]), 5 * pageBytes);
  large.set(makeImage([8, 9]), (sectionPages + 3) * pageBytes);
  writeFileSync(join(files, 'c'), large);
  return files;
}

/** Flips a byte of a page. */
function change(path: string, page: number, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(page * pageBytes + at) ^ 0xff, page * pageBytes + at);
  writeFileSync(path, bytes);
}

async function expectRestored(store: Snapshots.Store, counter: number, files: string) {
  const out = join(await makeFolder(), 'out');
  await restoreFiles(store, await store.find(String(counter)), out);
  for (const name of readdirSync(files)) {
    expect(readFileSync(join(out, name)).equals(readFileSync(join(files, name)))).toBe(true);
  }
}

function printsOf(store: string): string[] {
  const folder = join(store, 'fingerprints');
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

describe('fingerprints', () => {
  it('tell which pages changed, in each file, over sections and lengths that change', async () => {
    const folder = await makeFolder();
    const files = await makeFiles(folder);
    await using store = await openStore(join(folder, 'store'), { create: true });
    await snapshotFiles(store, files, { name: 'x' });
    change(join(files, 'a'), 1, 255);
    change(join(files, 'c'), sectionPages - 1, 254);
    change(join(files, 'c'), sectionPages, 253);
    // It stands before the others: none has the place it had in the parent.
    writeFileSync(join(files, '0'), makeImage([20, 21]));
    const second = await snapshotFiles(store, files, { name: 'x' });
    // Pages that were written were compared by id once more: none of them was the parent's.
    expect(second.counts).toMatchObject({ same: 0, kept: 8, delta: 1, whole: 4 });
    await expectRestored(store, 2, files);
    writeFileSync(join(files, 'a'), makeImage([1]));
    writeFileSync(join(files, 'b'), makeImage([30, 31]));
    rmSync(join(files, '0'));
    const third = await snapshotFiles(store, files, { name: 'x' });
    expect(third.counts).toMatchObject({ same: 0, kept: 8, whole: 2 });
    await expectRestored(store, 3, files);
  });

  it('are kept of the newest snapshot of a line only, and go with it', async () => {
    const folder = await makeFolder();
    const files = await makeFiles(folder);
    const place = join(folder, 'store');
    await using store = await openStore(place, { create: true });
    await snapshotFiles(store, files, { name: 'x' });
    expect(printsOf(place)).toEqual(['0000000001.prints']);
    await snapshotFiles(store, files, { name: 'x' });
    expect(printsOf(place)).toEqual(['0000000002.prints']);
    await snapshotFiles(store, join(files, 'a'), { name: 'y', parent: null });
    expect(printsOf(place)).toEqual(['0000000002.prints', '0000000003.prints']);
    writeFileSync(join(place, 'fingerprints', `${'0'.repeat(32)}.tmp`), 'left');
    await store.prune({ keep: () => [3], graceMs: 0 });
    expect(printsOf(place)).toEqual(['0000000003.prints']);
  });

  it('that are damaged, cut, gone or of another snapshot cost time and nothing else', async () => {
    const folder = await makeFolder();
    const files = await makeFiles(folder);
    const place = join(folder, 'store');
    await using store = await openStore(place, { create: true });
    await snapshotFiles(store, files, { name: 'x' });
    const prints = join(place, 'fingerprints', '0000000001.prints');
    const whole = readFileSync(prints);
    const other = await snapshotFiles(store, join(files, 'a'), { name: 'y', parent: null });
    const ofOther = readFileSync(join(place, 'fingerprints', '0000000002.prints'));
    const damages: readonly [string, Buffer | undefined][] = [
      ['gone', undefined],
      ['empty', Buffer.alloc(0)],
      ['of another', ofOther],
      ['cut', whole.subarray(0, whole.length - 5000)],
      ...[10, 70, 90, 150, 330, 400, 500, 70_000].map((at): [string, Buffer] => {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
        return [`a byte at ${at}`, bytes];
      }),
      ['whole', whole],
    ];
    const parent = await store.find('1');
    for (const [index, [what, bytes]] of damages.entries()) {
      if (bytes === undefined) rmSync(prints, { force: true });
      else writeFileSync(prints, bytes);
      change(join(files, 'a'), 0, 100 + index);
      change(join(files, 'c'), sectionPages + 3, 100 + index);
      const made = await snapshotFiles(store, files, { name: 'x', parent });
      const { whole: stored, delta, same, kept } = made.counts;
      expect([what, stored + delta, same + kept]).toEqual([what, 2, 7]);
      await expectRestored(store, made.snapshot.counter, files);
    }
    expect(other.counts.whole + other.counts.known).toBe(4);
  });

  it('are encrypted where the store is', async () => {
    const folder = await makeFolder();
    const files = await makeFiles(folder);
    const place = join(folder, 'store');
    await using store = await openStore(place, { create: true, key: randomBytes(32) });
    await snapshotFiles(store, files, { name: 'x' });
    change(join(files, 'a'), 1, 255);
    const { counts } = await snapshotFiles(store, files, { name: 'x' });
    expect(counts).toMatchObject({ same: 0, kept: 8 });
    await expectRestored(store, 2, files);
    const prints = readFileSync(join(place, 'fingerprints', '0000000002.prints'));
    const zero = prints.subarray(-8);
    // Pages of zeros have all the same fingerprint, in the clear.
    expect(prints.subarray(0, -8).includes(zero)).toBe(false);
  });

  it('are none where a store is signed and anybody could change them', async () => {
    const folder = await makeFolder();
    const files = await makeFiles(folder);
    const place = join(folder, 'store');
    const { privateKey } = generateKeyPairSync('ed25519');
    await using store = await openStore(place, { create: true, signWith: privateKey });
    await snapshotFiles(store, files, { name: 'x' });
    change(join(files, 'a'), 1, 255);
    const { counts } = await snapshotFiles(store, files, { name: 'x' });
    expect(counts).toMatchObject({ kept: 8 });
    expect(printsOf(place)).toEqual([]);
    await expectRestored(store, 2, files);
  });

  it('that cannot be written are none, and the snapshot is whole', async () => {
    const folder = await makeFolder();
    const files = await makeFiles(folder);
    const place = join(folder, 'store');
    await using store = await openStore(place, { create: true });
    // A file where their folder would be.
    copyFileSync(join(files, 'a'), join(place, 'fingerprints'));
    await snapshotFiles(store, files, { name: 'x' });
    change(join(files, 'a'), 1, 255);
    await snapshotFiles(store, files, { name: 'x' });
    await expectRestored(store, 2, files);
  });
});
