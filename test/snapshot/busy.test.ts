import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { Checkpointer } from '../../src/snapshot/checkpointer.js';
import { restoreGuest } from '../../src/snapshot/restore-guest.js';
import type { BeginOptions, Store } from '../../src/snapshot/types.js';
import { makeFolder, openTestStore } from './support.js';

/** A store in which a prune takes what each snapshot with a parent refers to, at the last moment. Counts how often. */
function pruned(
  store: Store,
  Refusal: typeof FerryError = FerryError,
): { readonly store: Store; refused: () => number } {
  let refused = 0;
  const begin = async (options: BeginOptions) => {
    const writer = await store.begin(options);
    if (options.parent !== undefined) {
      writer.publish = async () => {
        refused += 1;
        throw new Refusal('ERR_BUSY', 'a prune took what it refers to');
      };
    }
    return writer;
  };
  const odd = new Proxy(store, {
    get(target, name) {
      if (name === 'begin') return begin;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { store: odd, refused: () => refused };
}

describe('a prune that takes what a parent has', () => {
  it('costs a checkpoint its parent, not what it stores', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const { store: odd, refused } = pruned(store);
    const memory = randomBytes(20 * 4096);
    const guest = bufferGuest(memory, { tracker: 'marks' });
    const checkpointer = new Checkpointer(odd, guest, { name: 'guest' });
    await checkpointer.take();
    memory.fill(3, 4096, 8192);
    guest.markDirty(4096, 4096);
    const { snapshot } = await checkpointer.take();
    await checkpointer.close();
    expect(refused()).toBe(1);
    expect(snapshot.manifest?.parent).toBeUndefined();
    const copy = new Uint8Array(memory.length);
    await restoreGuest(store, snapshot, bufferGuest(copy));
    expect(Buffer.compare(copy, memory)).toBe(0);
  });

  it('costs a file its parent, not what it stores', async () => {
    // Its threads are started by their path in the package.
    const { openStore, restoreFiles, snapshotFiles } = await import(
      resolve('dist/snapshot/index.js')
    );
    const folder = await makeFolder();
    const path = join(folder, 'file');
    const store: Store = await openStore(join(folder, 'store'), { create: true });
    writeFileSync(path, randomBytes(50_000));
    await snapshotFiles(store, path);
    writeFileSync(path, randomBytes(50_000));
    const { FerryError: Refusal } = await import(resolve('dist/index.js'));
    const odd = pruned(store, Refusal);
    const { snapshot } = await snapshotFiles(odd.store, path);
    expect(odd.refused()).toBe(1);
    await restoreFiles(store, snapshot, join(folder, 'back'));
    expect(readFileSync(join(folder, 'back')).equals(readFileSync(path))).toBe(true);
    await store.close();
  });
});
