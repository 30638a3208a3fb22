import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Guest } from '../../src/guests/guest.js';

/** A guest with all that tells whether it is well. */
export interface GuestSubject {
  readonly guest: Guest;
  /** Transactions it acknowledged here. */
  commits(): number;
  /** What is wrong with its content, checked while it is paused; empty if nothing is. */
  damage(): string[];
}

export interface GuestFactory {
  /** Paused, with something in it. Subjects that can grow do so within 2000 transactions. */
  source(): Promise<GuestSubject>;
  /** A place for a copy of `source`, as large as it was to begin with. */
  destination(source: GuestSubject): Promise<GuestSubject>;
  readonly grows: boolean;
  /** States no guest can be in. */
  readonly malformedStates: readonly Uint8Array[];
  dispose?(subject: GuestSubject): Promise<void>;
}

/** Lets a guest run for at least `commits` transactions and pauses it. */
export async function runFor(subject: GuestSubject, commits: number): Promise<void> {
  const goal = subject.commits() + commits;
  await subject.guest.resume();
  while (subject.commits() < goal) await turn();
  await subject.guest.pause();
}

/** Copies all memory from one guest to the other, and nothing else. The destination grows first where it is too short. */
export async function copyRegions(source: Guest, destination: Guest): Promise<void> {
  for (const [index, from] of source.regions.entries()) {
    const to = destination.regions[index];
    if (to === undefined) throw new Error(`no region for ${from.name}`);
    await to.grow(from.byteLength);
    const chunk = new Uint8Array(1 << 20);
    for (let at = 0; at < from.byteLength; ) {
      const bytes = await from.read(at, chunk);
      await to.write(at, chunk.subarray(0, bytes));
      at += bytes;
    }
  }
}

async function fingerprint(guest: Guest): Promise<string> {
  const hash = createHash('sha256');
  for (const region of guest.regions) {
    const bytes = new Uint8Array(region.byteLength);
    await region.read(0, bytes);
    hash.update(bytes);
  }
  return hash.digest('hex');
}

/** What every guest that runs must hold. */
export function guestConformance(name: string, factory: GuestFactory): void {
  describe(`${name} as a guest`, () => {
    const subjects: GuestSubject[] = [];
    const keep = (subject: GuestSubject): GuestSubject => {
      subjects.push(subject);
      return subject;
    };
    afterEach(async () => {
      for (const subject of subjects.splice(0)) {
        await subject.guest.pause();
        await factory.dispose?.(subject);
      }
    });

    it('says what it is, within the limits of an offer', async () => {
      const { guest } = keep(await factory.source());
      const identity = guest.describe();
      expect(identity.kind).toBe(guest.kind);
      expect(Buffer.byteLength(identity.version)).toBeLessThanOrEqual(256);
      expect(identity.features.length).toBeLessThanOrEqual(32);
      expect(new Set(guest.regions.map((region) => region.id)).size).toBe(guest.regions.length);
      for (const region of guest.regions) {
        expect(region.maxByteLength).toBeGreaterThanOrEqual(region.byteLength);
      }
    });

    it('writes nothing and acknowledges nothing once it is paused', async () => {
      const subject = keep(await factory.source());
      await runFor(subject, 20);
      const before = { content: await fingerprint(subject.guest), commits: subject.commits() };
      for (let turns = 0; turns < 50; turns++) await turn();
      expect(await fingerprint(subject.guest)).toBe(before.content);
      expect(subject.commits()).toBe(before.commits);
    });

    it('is paused and resumed twice as once', async () => {
      const subject = keep(await factory.source());
      await subject.guest.resume();
      await subject.guest.resume();
      await subject.guest.pause();
      await subject.guest.pause();
      const commits = subject.commits();
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(subject.commits()).toBe(commits);
      await runFor(subject, 20);
      expect(subject.damage()).toEqual([]);
    });

    it('gives the same state as often as it is asked, and takes it as often', async () => {
      const subject = keep(await factory.source());
      await runFor(subject, 20);
      const state = await subject.guest.saveState();
      expect(await subject.guest.saveState()).toEqual(state);
      expect(state.byteLength).toBeLessThanOrEqual(subject.guest.maxStateBytes ?? 2 ** 20);
      await subject.guest.loadState(state);
      await subject.guest.loadState(state);
      expect(await subject.guest.saveState()).toEqual(state);
      await runFor(subject, 20);
      expect(subject.damage()).toEqual([]);
    });

    it('goes on elsewhere with a copy of its memory and its state', async () => {
      const source = keep(await factory.source());
      await runFor(source, 50);
      const destination = keep(await factory.destination(source));
      await copyRegions(source.guest, destination.guest);
      await destination.guest.loadState(await source.guest.saveState());
      expect(destination.damage()).toEqual([]);
      await runFor(destination, 50);
      expect(destination.damage()).toEqual([]);
    });

    it('goes on elsewhere when a state of before was loaded first', async () => {
      const source = keep(await factory.source());
      await runFor(source, 10);
      const destination = keep(await factory.destination(source));
      await copyRegions(source.guest, destination.guest);
      await destination.guest.loadState(await source.guest.saveState());
      await runFor(source, 50);
      await copyRegions(source.guest, destination.guest);
      await destination.guest.loadState(await source.guest.saveState());
      await runFor(destination, 50);
      expect(destination.damage()).toEqual([]);
    });

    it('can be rehearsed, if it says so: saved while it runs, loaded while memory arrives', async () => {
      const source = keep(await factory.source());
      if (source.guest.rehearsable !== true) return;
      const destination = keep(await factory.destination(source));
      await source.guest.resume();
      for (let round = 0; round < 3; round++) {
        const goal = source.commits() + 10;
        while (source.commits() < goal) await turn();
        const before = await fingerprint(destination.guest);
        await destination.guest.loadState(await source.guest.saveState()).catch(() => {});
        expect(await fingerprint(destination.guest)).toBe(before);
      }
      await source.guest.pause();
      expect(source.damage()).toEqual([]);
      await copyRegions(source.guest, destination.guest);
      await destination.guest.loadState(await source.guest.saveState());
      await runFor(destination, 50);
      expect(destination.damage()).toEqual([]);
    });

    it('refuses states nobody saved', async () => {
      const { guest } = keep(await factory.source());
      for (const state of factory.malformedStates) {
        await expect(guest.loadState(state)).rejects.toMatchObject({ code: 'ERR_GUEST' });
      }
    });

    it.runIf(factory.grows)('goes on elsewhere after it grew while it was copied', async () => {
      const source = keep(await factory.source());
      source.guest.tracker.start();
      const destination = keep(await factory.destination(source));
      const before = source.guest.regions[0]?.byteLength ?? 0;
      await copyRegions(source.guest, destination.guest);
      await runFor(source, 2000);
      expect(source.guest.regions[0]?.byteLength).toBeGreaterThan(before);
      await copyRegions(source.guest, destination.guest);
      await destination.guest.loadState(await source.guest.saveState());
      expect(destination.guest.regions[0]?.byteLength).toBe(source.guest.regions[0]?.byteLength);
      await runFor(destination, 50);
      expect(destination.damage()).toEqual([]);
    });

    it('refuses to grow beyond its maximum', async () => {
      const { guest } = keep(await factory.source());
      const region = guest.regions[0];
      await expect(async () => region?.grow(region.maxByteLength + 65536)).rejects.toMatchObject({
        code: 'ERR_REGION_TOO_LARGE',
      });
    });
  });
}
