import { describe, expect, it } from 'vitest';
import { Fence, type TokenStore } from '../../src/lease/fence.js';

/** Saves after a turn of the event queue, and keeps what it said to have saved. */
function memoryStore(first = 0n): TokenStore & { saved: bigint; full: boolean } {
  return {
    saved: first,
    full: false,
    async load() {
      return this.saved;
    },
    async save(token) {
      await Promise.resolve();
      if (this.full) throw new Error('no room');
      this.saved = token;
    },
  };
}

describe('a fence', () => {
  it('accepts nothing with a lower token than it accepted before, in this process or the last', async () => {
    const store = memoryStore();
    const fence = await Fence.open(store);
    await fence.admit(3n);
    await fence.admit(3n);
    await expect(fence.admit(2n)).rejects.toMatchObject({ code: 'ERR_FENCED' });
    const later = await Fence.open(store);
    await expect(later.admit(2n)).rejects.toMatchObject({ code: 'ERR_FENCED' });
    await later.admit(4n);
  });

  it('has a token saved before anything with it is accepted', async () => {
    const store = memoryStore();
    const fence = await Fence.open(store);
    await fence.admit(5n).then(() => expect(store.saved).toBe(5n));
    store.full = true;
    await expect(fence.admit(6n)).rejects.toThrow('no room');
    // It was not accepted: the last one still is.
    await fence.admit(5n);
    expect(fence.highest).toBe(5n);
  });

  it('decides in the order in which it was asked', async () => {
    const fence = await Fence.open(memoryStore());
    const all = await Promise.allSettled([fence.admit(2n), fence.admit(3n), fence.admit(2n)]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  });
});
