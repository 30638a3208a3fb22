import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createLedger,
  type LedgerGuest,
  type LedgerOptions,
  planLedger,
  receiveLedger,
} from '../../src/guests/ledger.js';
import { findLedgerDamage, replayLedger } from '../../src/guests/ledger-replay.js';
import { DirtyBitmap } from '../../src/memory/bitmap.js';
import { copyRegions, type GuestSubject, guestConformance } from '../conformance/guest.js';

const page = 4096;
const growing: LedgerOptions = {
  sizeBytes: 64 * page,
  seed: 7,
  growth: { everyTransfers: 300, byBytes: 5 * page, maxSizeBytes: 100 * page },
};

function memoryOf(guest: LedgerGuest): Uint8Array {
  const bytes = guest.regions[0]?.memory?.();
  if (bytes === undefined) throw new Error('a ledger has memory');
  return bytes;
}

/** Which pages are wrong, and whether the digest is. */
function damageOf(guest: LedgerGuest, options: LedgerOptions): string[] {
  const replay = replayLedger(planLedger(options), guest.seq);
  const damage = findLedgerDamage(memoryOf(guest), replay).map((index) => `page ${index}`);
  return replay.digest === guest.digest ? damage : [...damage, 'digest'];
}

function subjectOf(
  options: LedgerOptions,
  make: (onCommit: () => void) => LedgerGuest,
): GuestSubject {
  let commits = 0;
  const guest = make(() => {
    commits++;
  });
  return { guest, commits: () => commits, damage: () => damageOf(guest, options) };
}

guestConformance('a ledger', {
  grows: true,
  source: async () => subjectOf(growing, (onCommit) => createLedger({ ...growing, onCommit })),
  destination: async ({ guest }) => {
    const [region] = guest.regions;
    if (region === undefined) throw new Error('a ledger has memory');
    const { byteLength, maxByteLength } = region;
    return subjectOf(growing, (onCommit) => receiveLedger(byteLength, maxByteLength, { onCommit }));
  },
  malformedStates: [new Uint8Array(), new Uint8Array(24), new Uint8Array(25).fill(1)],
});

function transactTimes(guest: LedgerGuest, times: number): void {
  for (let done = 0; done < times; done++) guest.transact();
}

describe('the ledger', () => {
  it('holds what a replay from seed and count says, whatever its plan', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 3, max: 40 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 400 }),
        (seed, pages, everyTransfers, byPages, count) => {
          const growth = { everyTransfers, byBytes: byPages * page, maxSizeBytes: 60 * page };
          const options = { seed, sizeBytes: pages * page, growth };
          const guest = createLedger(options);
          transactTimes(guest, count);
          expect(damageOf(guest, options)).toEqual([]);
        },
      ),
    );
  });

  it('acknowledges each transfer with the digest of a replay', () => {
    const told: [number, number][] = [];
    const guest = createLedger({ ...growing, onCommit: (...commit) => told.push(commit) });
    transactTimes(guest, 1000);
    const replayed: [number, number][] = [];
    replayLedger(planLedger(growing), 1000, (...commit) => replayed.push(commit));
    expect(told).toEqual(replayed);
  });

  it('marks every page that it writes, and few others', () => {
    const guest = createLedger(growing);
    const [region] = guest.regions;
    if (region === undefined) throw new Error('a ledger has memory');
    guest.tracker.start();
    const marks = DirtyBitmap.create(region.maxByteLength / page);
    for (let round = 0; round < 50; round++) {
      const before = memoryOf(guest).slice();
      transactTimes(guest, 20);
      marks.clearAll();
      guest.tracker.take(region, marks);
      const after = memoryOf(guest);
      for (let index = 0; index < after.byteLength / page; index++) {
        const old = before.slice(index * page, (index + 1) * page);
        const now = after.subarray(index * page, (index + 1) * page);
        const untouched = index * page >= before.byteLength ? Buffer.alloc(page) : old;
        if (Buffer.compare(untouched, now) !== 0) expect(marks.test(index)).toBe(true);
      }
      expect(marks.count()).toBeLessThanOrEqual(1 + 40 + 3);
    }
  });

  it('dirties two new pages a transfer until it has been everywhere', () => {
    const guest = createLedger({ sizeBytes: 1001 * page, seed: 3 });
    const [region] = guest.regions;
    if (region === undefined) throw new Error('a ledger has memory');
    guest.tracker.start();
    transactTimes(guest, 500);
    const marks = DirtyBitmap.create(1001);
    guest.tracker.take(region, marks);
    expect(marks.count()).toBe(1001);
  });

  it('forgets its marks once they are taken', () => {
    const guest = createLedger(growing);
    const [region] = guest.regions;
    if (region === undefined) throw new Error('a ledger has memory');
    const marks = DirtyBitmap.create(100);
    guest.tracker.take(region, marks);
    marks.clearAll();
    guest.tracker.take(region, marks);
    expect(marks.count()).toBe(0);
  });

  it('is half incompressible', () => {
    const memory = memoryOf(createLedger({ sizeBytes: 64 * page, seed: 1 }));
    let nonZero = 0;
    for (const byte of memory) nonZero += byte === 0 ? 0 : 1;
    expect(nonZero / memory.byteLength).toBeGreaterThan(0.45);
    expect(nonZero / memory.byteLength).toBeLessThan(0.5);
  });

  it('refuses sizes it cannot have', () => {
    for (const sizeBytes of [0, page, 4097 * 3, -page, 2 ** 32, Number.NaN]) {
      expect(() => createLedger({ sizeBytes, seed: 1 })).toThrow(RangeError);
    }
  });

  it('does not start over memory that is not its own', async () => {
    const source = createLedger(growing);
    transactTimes(source, 10);
    const destination = receiveLedger(64 * page, 100 * page);
    await copyRegions(source, destination);
    transactTimes(source, 1);
    await destination.loadState(await source.saveState());
    await expect(destination.resume()).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });
});

describe('a planted fault in the memory of a ledger that moved', () => {
  const options = { sizeBytes: 64 * page, seed: 11 };
  const at = 33 * page;

  async function move(): Promise<{ destination: LedgerGuest; early: Uint8Array }> {
    const source = createLedger(options);
    transactTimes(source, 100);
    const early = memoryOf(source).slice();
    transactTimes(source, 100);
    const destination = receiveLedger(64 * page, 64 * page);
    await copyRegions(source, destination);
    await destination.loadState(await source.saveState());
    expect(damageOf(destination, options)).toEqual([]);
    return { destination, early };
  }

  it('shows when one page is lost', async () => {
    const { destination } = await move();
    memoryOf(destination).fill(0, at, at + page);
    expect(damageOf(destination, options)).toEqual(['page 33']);
  });

  it('shows when one page is stale', async () => {
    const { destination, early } = await move();
    memoryOf(destination).set(early.subarray(at, at + page), at);
    expect(damageOf(destination, options)).toEqual(['page 33']);
  });

  it('shows when one page is torn', async () => {
    const { destination, early } = await move();
    memoryOf(destination).set(early.subarray(at, at + 64), at);
    expect(damageOf(destination, options)).toEqual(['page 33']);
  });

  it('shows in the digest as soon as the page is used again', async () => {
    const { destination, early } = await move();
    memoryOf(destination).set(early.subarray(at, at + page), at);
    transactTimes(destination, 2000);
    expect(damageOf(destination, options)).toContain('digest');
  });
});
