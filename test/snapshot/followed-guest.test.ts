import { describe, expect, it } from 'vitest';
import type { ArrivingGuest } from '../../src/snapshot/arriving-guest.js';
import { followedGuest } from '../../src/snapshot/store-destination.js';
import type { SnapshotInfo, Store } from '../../src/snapshot/types.js';
import { makeFolder, makeImage, openTestStore, readRegion, seeds } from './support.js';

const identity = { kind: 'kind', version: '1', features: [] };
const byteLength = 8 * 4096;
const still = {
  pause: async () => {},
  resume: async () => {},
  saveState: async () => new Uint8Array(),
};

async function follow(): Promise<{ readonly store: Store; readonly guest: ArrivingGuest }> {
  const store = await openTestStore(await makeFolder());
  const guest = await followedGuest(store, identity, { name: 'g' });
  await guest.adopt([{ id: 0, name: 'memory', byteLength, maxByteLength: 2 * byteLength }]);
  return { store, guest };
}

async function memoryOf(store: Store, snapshot: SnapshotInfo): Promise<Uint8Array> {
  await using reader = await store.read(snapshot);
  return readRegion(reader);
}

describe('a guest that arrives at a store again and again', () => {
  it('stores what was written since, where it has grown too', async () => {
    const { store, guest } = await follow();
    const image = makeImage(seeds(16));
    const [region] = guest.regions;
    await region?.write(0, image.subarray(0, byteLength));
    const first = await guest.checkpoint(still);
    expect(await memoryOf(store, first.snapshot)).toEqual(image.subarray(0, byteLength));
    await region?.grow?.(2 * byteLength);
    await region?.write(15 * 4096, image.subarray(15 * 4096));
    const second = await guest.checkpoint(still, { from: first.snapshot });
    expect(second.pages).toBe(1);
    const expected = image.slice();
    expected.fill(0, byteLength, 15 * 4096);
    expect(await memoryOf(store, second.snapshot)).toEqual(expected);
    await guest.discard();
  });

  it('has nothing of a region that went, where another one has its number', async () => {
    const { store, guest } = await follow();
    await guest.regions[0]?.write(0, makeImage(seeds(8)));
    const { snapshot: from } = await guest.checkpoint(still);
    await guest.reshape(0, 'memory', -1);
    await guest.reshape(0, 'other', byteLength);
    const { snapshot } = await guest.checkpoint(still, { from });
    expect(await memoryOf(store, snapshot)).toEqual(new Uint8Array(byteLength));
    await guest.discard();
  });
});
