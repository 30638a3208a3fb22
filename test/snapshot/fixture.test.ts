import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { STORE_PAGE_BYTES } from '../../src/snapshot/index.js';
import { isEqual, makeFolder, openTestStore, readRegion, snapshotOf } from './support.js';

/** Made by version 1 and never again: what it wrote has to be read for ever. */
const fixtures = 'test/fixtures/stores';

/** Three states of a disk of 12 pages and 100 bytes: as it began, with a byte changed, and with a page more than zeros. */
function stateOf(counter: number): Uint8Array {
  const disk = new Uint8Array(12 * STORE_PAGE_BYTES + 100);
  for (let at = 0; at < disk.length; at++) {
    const page = Math.floor(at / STORE_PAGE_BYTES);
    if (page % 3 !== 1) disk[at] = (page * 7 + (at >> 4)) & 0xff;
  }
  if (counter > 1) disk[3 * STORE_PAGE_BYTES + 99] = 200;
  if (counter > 2) disk.fill(9, 4 * STORE_PAGE_BYTES, 5 * STORE_PAGE_BYTES);
  return disk;
}

it.each([
  { name: 'v1', key: undefined },
  { name: 'v1-encrypted', key: Uint8Array.from({ length: 32 }, (_, byte) => byte) },
])('a store that version 1 wrote is read ($name)', async ({ name, key }) => {
  const path = join(await makeFolder(), 'store');
  await cp(join(fixtures, name), path, { recursive: true });
  const store = await openTestStore(path, { create: false, ...(key && { key }) });
  expect((await store.verify()).good).toEqual([1, 2, 3]);
  for (const info of await store.snapshots()) {
    expect(info.manifest).toMatchObject({
      name: `state ${info.counter}`,
      clean: info.counter !== 2,
      metadata: { state: info.counter },
    });
    await using reader = await store.read(info);
    expect(isEqual(await readRegion(reader), stateOf(info.counter))).toBe(true);
    const note = await readRegion(reader, 1);
    expect(Buffer.from(note).toString()).toBe(`note ${info.counter}`);
  }
  const [, second] = await store.snapshots();
  await using reader = await store.read(second as NonNullable<typeof second>);
  expect([...(await reader.plan(0, 0, 13)).built]).toEqual([3]);
  // Its folder of locks was empty, and is not in the repository.
  expect((await snapshotOf(store, stateOf(3).subarray(0, 4096))).counter).toBe(4);
});
