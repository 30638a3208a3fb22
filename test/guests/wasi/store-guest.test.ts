import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { listen } from '../../../src/migration/listen.js';
import { migrate } from '../../../src/migration/migrate.js';
import { type GuestSubject, guestConformance } from '../../conformance/guest.js';
import { fileOf, openStore, type StoreGuest } from './store.js';

async function subject(): Promise<GuestSubject> {
  const { guest, store } = await openStore(() => 0n);
  // From then on its files are as long as they will be for a while.
  for (let step = 0; step < 20; step++) store.step();
  const damage = (): string[] => (store.damaged() === 0 ? [] : ['a record is not as it was']);
  return { guest, commits: () => store.getSteps(), damage };
}

guestConformance('a WASI program', {
  grows: true,
  source: subject,
  async destination(source) {
    const there = await subject();
    await there.guest.adopt?.(source.guest.regions);
    return there;
  },
  malformedStates: [new Uint8Array(), new Uint8Array(64).fill(1)],
});

describe('a WASI program', () => {
  it('works on elsewhere, its clock too, and comes back with what changed', async () => {
    const [here, there] = [await openStore(), await openStore(() => 0n)];
    const stepsOf = async (at: StoreGuest, steps: number): Promise<void> => {
      const goal = at.store.getSteps() + steps;
      while (at.store.getSteps() < goal) await turn();
    };
    await here.guest.resume();
    await stepsOf(here, 12_000);
    for (const [from, to] of [
      [here, there],
      [there, here],
    ] as const) {
      const listener = await listen({ accept: () => to.guest });
      try {
        const { host, port } = listener;
        const report = await migrate(from.guest, {
          host,
          port,
          maxDowntimeMs: 500,
          onStall: 'force',
        }).done;
        expect(report).toMatchObject({ verified: 'memory', repaired: 0 });
      } finally {
        await listener.close();
      }
      await stepsOf(to, 3000);
    }
    await here.guest.pause();
    expect(here.store.damaged()).toBe(0);
    const journal = new DataView(Uint8Array.from(fileOf(here, 'journal')).buffer);
    let before = 0n;
    for (let step = 0; step < here.store.getSteps(); step++) {
      const time = journal.getBigUint64(step * 16, true);
      expect(time).toBeGreaterThanOrEqual(before);
      before = time;
    }
  });
});
