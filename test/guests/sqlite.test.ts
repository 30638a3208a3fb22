import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createSqlite, receiveSqlite, type SqliteGuest } from '../../src/guests/sqlite.js';
import { findSqliteDamage } from '../../src/guests/sqlite-check.js';
import {
  bootSize,
  grownSize,
  maxSizeMiB,
  minSizeMiB,
  payloadOf,
} from '../../src/guests/sqlite-plan.js';
import { decodeSqliteState, encodeSqliteState } from '../../src/guests/sqlite-state.js';
import { joinParts, splitParts } from '../../src/guests/state-parts.js';
import { copyRegions, type GuestSubject, guestConformance } from '../conformance/guest.js';

const seed = 5;
const sizeMiB = 64;

function subjectOf(guest: SqliteGuest, commits: () => number): GuestSubject {
  return { guest, commits, damage: () => findSqliteDamage(guest.program, seed) };
}

function memoryOf(guest: SqliteGuest): Uint8Array {
  const [region] = guest.regions;
  return region?.memory?.() ?? new Uint8Array();
}

function transactTimes(guest: SqliteGuest, times: number): void {
  for (let done = 0; done < times; done++) guest.transact();
}

const none = new Uint8Array();
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

guestConformance('SQLite', {
  grows: true,
  source: async () => {
    let commits = 0;
    const onCommit = (): void => {
      commits++;
    };
    return subjectOf(await createSqlite({ sizeMiB, seed, onCommit }), () => commits);
  },
  destination: async () => {
    let commits = 0;
    const onCommit = (): void => {
      commits++;
    };
    return subjectOf(await receiveSqlite({ sizeMiB, onCommit }), () => commits);
  },
  malformedStates: [
    new Uint8Array(),
    text('{}'),
    text('null'),
    Uint8Array.of(0xff),
    text('{"registers":{}}'),
    joinParts([text('{}'), text('{}')]),
  ],
});

describe('the sizes of SQLite', () => {
  it('start at about two fifths and end at most at what was asked for, after five growths', () => {
    for (let size = minSizeMiB; size <= maxSizeMiB; size++) {
      const limit = size * 2 ** 20;
      let bytes = bootSize(size);
      expect(bytes / limit).toBeGreaterThan(0.39);
      for (let growth = 0; growth < 5; growth++) bytes = grownSize(bytes);
      expect(bytes).toBeLessThanOrEqual(limit);
      expect(bytes / limit).toBeGreaterThan(0.98);
    }
  });

  it.each([0, 63, 513, Number.NaN])('cannot be %d MiB', (size) => {
    expect(() => bootSize(size)).toThrow(RangeError);
  });
});

describe('SQLite as it runs', () => {
  it('grows four times from where tracking began, to nearly its full size, and then no more', async () => {
    const guest = await createSqlite({ sizeMiB, seed });
    const sizes = new Set([memoryOf(guest).byteLength]);
    transactTimes(guest, 300);
    expect(sizes).toContain(memoryOf(guest).byteLength);
    guest.tracker.start();
    for (let done = 0; done < 1500; done++) {
      guest.transact();
      sizes.add(memoryOf(guest).byteLength);
    }
    expect(sizes.size).toBe(5);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(sizeMiB * 2 ** 20);
    expect(Math.min(...sizes) / (sizeMiB * 2 ** 20)).toBeGreaterThan(0.47);
    expect(findSqliteDamage(guest.program, seed)).toEqual([]);
  });

  it('acknowledges each transaction once, as its own list of commits has it', async () => {
    const told: [number, number][] = [];
    const guest = await createSqlite({ sizeMiB, seed, onCommit: (...it) => told.push(it) });
    transactTimes(guest, 400);
    const found: [number, number][] = [];
    expect(findSqliteDamage(guest.program, seed, (...it) => found.push(it))).toEqual([]);
    expect(told).toEqual(found);
    expect(found.length).toBe(400);
  });

  it('leaves Math.random as random as it was', async () => {
    const { random } = Math;
    await receiveSqlite({ sizeMiB });
    expect(Math.random).toBe(random);
    expect(Math.random()).not.toBe(Math.random());
  });

  it('leaves nothing half done when a transaction fails', async () => {
    const guest = await createSqlite({ sizeMiB, seed });
    transactTimes(guest, 10);
    const { registers } = guest.program;
    // A number that is taken already: the last statement of the transaction fails.
    guest.program.registers = { ...registers, seq: 4 };
    expect(() => guest.transact()).toThrow(/UNIQUE/);
    guest.program.registers = registers;
    transactTimes(guest, 10);
    expect(findSqliteDamage(guest.program, seed)).toEqual([]);
  });

  it('fails the pause that follows a transaction that failed', async () => {
    const guest = await createSqlite({ sizeMiB, seed });
    await guest.resume();
    guest.program.registers = { ...guest.program.registers, seq: -1 };
    await turn();
    await turn();
    await expect(guest.pause()).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  it('refuses to move what is kept outside its memory, by name', async () => {
    const guest = await createSqlite({ sizeMiB, seed });
    guest.program.run('CREATE TABLE main.secret (x)');
    await guest.resume();
    await expect(guest.pause()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('main'),
    });
    const attached = await createSqlite({ sizeMiB, seed });
    attached.program.run("ATTACH '/elsewhere' AS other");
    await attached.resume();
    await expect(attached.pause()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('attached'),
    });
  });

  it('refuses a state whose outside is not as here, by name', async () => {
    const guest = await createSqlite({ sizeMiB, seed });
    const [ofProgram = none, entries = none, ofGlue = none] = splitParts(
      await guest.saveState(),
      3,
    );
    const { registers, handles } = decodeSqliteState(ofGlue);
    const [name = ''] = Object.keys(handles);
    const other = encodeSqliteState(registers, { ...handles, [name]: 1 });
    await expect(guest.loadState(joinParts([ofProgram, entries, other]))).rejects.toMatchObject({
      code: 'ERR_GUEST',
      message: expect.stringContaining(name),
    });
  });

  it('does not start over a memory that its state does not belong to', async () => {
    const source = await createSqlite({ sizeMiB, seed });
    transactTimes(source, 5);
    const destination = await receiveSqlite({ sizeMiB });
    await copyRegions(source, destination);
    transactTimes(source, 1);
    await destination.loadState(await source.saveState());
    await expect(destination.resume()).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  it('is for another size, or another sql.js, not the same', async () => {
    const small = await receiveSqlite({ sizeMiB });
    const large = await receiveSqlite({ sizeMiB: 80 });
    expect(small.describe()).toEqual((await receiveSqlite({ sizeMiB })).describe());
    expect(small.describe()).not.toEqual(large.describe());
  });
});

/** Everywhere that `bytes` stand in memory within one page: as a row, and where they passed through. */
function placesOf(memory: Uint8Array, bytes: Uint8Array): number[] {
  const haystack = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
  const places: number[] = [];
  for (let at = haystack.indexOf(bytes); at >= 0; at = haystack.indexOf(bytes, at + 1)) {
    if ((at % 4096) + bytes.byteLength <= 4096) places.push(at);
  }
  return places;
}

describe('a planted fault in the memory of an SQLite that moved', () => {
  type Plant = (memory: Uint8Array, early: Uint8Array, at: number) => void;
  const pageAt = (memory: Uint8Array, at: number): Uint8Array => {
    const start = at - (at % 4096);
    return memory.subarray(start, start + 4096);
  };
  const faults: [string, Plant][] = [
    ['lost', (memory, _early, at) => pageAt(memory, at).fill(0)],
    ['stale', (memory, early, at) => pageAt(memory, at).set(pageAt(early, at))],
    ['torn', (memory, early, at) => memory.set(early.subarray(at, at + 64), at)],
  ];
  it.each(faults)('shows when one page is %s', async (_name, plant) => {
    const source = await createSqlite({ sizeMiB, seed });
    transactTimes(source, 100);
    const early = memoryOf(source).slice();
    transactTimes(source, 100);
    const destination = await receiveSqlite({ sizeMiB });
    await copyRegions(source, destination);
    await destination.loadState(await source.saveState());
    const { last } = destination.program.registers;
    const memory = memoryOf(destination);
    const places = placesOf(memory, payloadOf(seed, last).subarray(6000, 6064));
    // One place is the row itself; the others are free memory, where a fault is none.
    const shown = places.filter((at) => {
      const moved = memory.slice();
      plant(memory, early, at);
      const damage = findSqliteDamage(destination.program, seed);
      memory.set(moved);
      return damage.length > 0;
    });
    expect(shown.length).toBe(1);
    expect(findSqliteDamage(destination.program, seed)).toEqual([]);
  });

  it('shows when a commit is lost, or an account is as it was before', async () => {
    const guest = await createSqlite({ sizeMiB, seed });
    transactTimes(guest, 50);
    guest.program.run('DELETE FROM live.commits WHERE seq = 20');
    expect(findSqliteDamage(guest.program, seed).join()).toContain('next commit: 21 instead of 20');
    const other = await createSqlite({ sizeMiB, seed });
    transactTimes(other, 50);
    other.program.run('UPDATE live.account SET value = 0 WHERE value <> 0');
    expect(findSqliteDamage(other.program, seed).join()).toMatch(/account \d+: 0 instead of/);
  });
});
