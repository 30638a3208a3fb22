import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { Checkpointer } from '../../src/snapshot/checkpointer.js';
import { forkGuests, restoreGuest } from '../../src/snapshot/restore-guest.js';
import type { Store } from '../../src/snapshot/types.js';
import { makeFolder, openTestStore } from './support.js';

const pageBytes = 4096;

async function newStore(): Promise<Store> {
  return openTestStore(join(await makeFolder(), 'store'));
}

describe.each([{ tracker: 'marks' }, { tracker: 'hash' }, { tracker: 'compare' }] as const)(
  'checkpoints of a guest whose writes are found by $tracker',
  ({ tracker }) => {
    it('are each the guest as it was at its pause, and have only what changed', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(fc.tuple(fc.nat(39), fc.nat(255)), { maxLength: 12 }), {
            minLength: 1,
            maxLength: 4,
          }),
          async (rounds) => {
            const store = await newStore();
            const memory = new Uint8Array(40 * pageBytes);
            const guest = bufferGuest(memory, { tracker });
            const checkpointer = new Checkpointer(store, guest, { name: 'guest' });
            const contents: Uint8Array[] = [];
            for (const writes of rounds) {
              for (const [page, value] of writes) {
                const at = page * pageBytes + 17 * (page % 9);
                memory.fill(value, at, at + 300);
                if (tracker === 'marks') guest.markDirty(at, 300);
              }
              const { snapshot, pages } = await checkpointer.take();
              contents.push(memory.slice());
              expect(snapshot.counter).toBe(contents.length);
              if (contents.length > 1) {
                const touched = new Set(writes.map(([page]) => page));
                expect(pages).toBeLessThanOrEqual(touched.size + 1);
              }
            }
            await checkpointer.close();
            const snapshots = await store.snapshots();
            for (const [index, content] of contents.entries()) {
              const copy = new Uint8Array(memory.length).fill(9);
              const snapshot = snapshots[index];
              if (snapshot === undefined) throw new Error('a snapshot is missing');
              await restoreGuest(store, snapshot, bufferGuest(copy));
              expect(Buffer.compare(copy, content)).toBe(0);
            }
          },
        ),
        { numRuns: 6 },
      );
    });
  },
);

describe('a checkpoint', () => {
  it('that fails lets the guest run on, and the next one is whole', async () => {
    const store = await newStore();
    const memory = new Uint8Array(10 * pageBytes).fill(1);
    const guest = bufferGuest(memory, { tracker: 'marks' });
    const calls: string[] = [];
    let fails = true;
    const odd: Guest = {
      ...guest,
      kind: guest.kind,
      regions: guest.regions,
      tracker: guest.tracker,
      describe: () => guest.describe(),
      pause: async () => void calls.push('pause'),
      resume: async () => void calls.push('resume'),
      loadState: (state) => guest.loadState(state),
      saveState: async () => {
        if (fails) throw new Error('not now');
        return new Uint8Array();
      },
    };
    const checkpointer = new Checkpointer(store, odd);
    await expect(checkpointer.take()).rejects.toMatchObject({ code: 'ERR_GUEST' });
    expect(calls).toEqual(['pause', 'resume']);
    expect(await store.snapshots()).toEqual([]);
    fails = false;
    const { snapshot } = await checkpointer.take();
    await checkpointer.close();
    const copy = new Uint8Array(memory.length);
    await restoreGuest(store, snapshot, bufferGuest(copy));
    expect(Buffer.compare(copy, memory)).toBe(0);
  });

  it('of a guest that was restored has only what changed since', async () => {
    const store = await newStore();
    const memory = new Uint8Array(64 * pageBytes).fill(1);
    for (let page = 0; page < 64; page += 1) memory[page * pageBytes] = page;
    const first = new Checkpointer(store, bufferGuest(memory, { tracker: 'marks' }), { name: 'a' });
    const { snapshot } = await first.take();
    await first.close();
    const copy = new Uint8Array(memory.length);
    const guest = bufferGuest(copy, { tracker: 'marks' });
    await restoreGuest(store, snapshot, guest, { start: false });
    const second = new Checkpointer(store, guest, { name: 'b', from: snapshot });
    copy.fill(5, 3 * pageBytes, 3 * pageBytes + 10);
    guest.markDirty(3 * pageBytes, 10);
    const taken = await second.take();
    await second.close();
    expect(taken.counts).toMatchObject({ kept: 64 });
    expect(taken.pages).toBe(1);
    const fork = new Uint8Array(memory.length);
    await forkGuests(store, taken.snapshot, [bufferGuest(fork)]);
    expect(Buffer.compare(fork, copy)).toBe(0);
  });

  it('is refused by another guest than it was of', async () => {
    const store = await newStore();
    const checkpointer = new Checkpointer(store, bufferGuest(new Uint8Array(pageBytes)));
    const { snapshot } = await checkpointer.take();
    await checkpointer.close();
    const other = bufferGuest(new Uint8Array(pageBytes));
    const odd: Guest = {
      ...other,
      kind: 'odd',
      regions: other.regions,
      tracker: other.tracker,
      describe: () => ({ kind: 'odd', version: '', features: [] }),
      pause: () => other.pause(),
      resume: () => other.resume(),
      saveState: () => other.saveState(),
      loadState: (state) => other.loadState(state),
    };
    await expect(restoreGuest(store, snapshot, odd)).rejects.toMatchObject({
      code: 'ERR_INCOMPATIBLE',
    });
  });

  it.each([2, 4])(
    'is refused by a guest of %i pages that has another number of them, or more',
    async (pages) => {
      const store = await newStore();
      const checkpointer = new Checkpointer(store, bufferGuest(new Uint8Array(3 * pageBytes)));
      const { snapshot } = await checkpointer.take();
      await checkpointer.close();
      const other = new Uint8Array(pages * pageBytes).fill(5);
      await expect(restoreGuest(store, snapshot, bufferGuest(other))).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(INCOMPATIBLE|REGION_TOO_LARGE)$/),
      });
      expect(other.every((byte) => byte === 5)).toBe(true);
    },
  );
});
