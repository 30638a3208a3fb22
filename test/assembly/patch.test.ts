import { describe, expect, test } from 'vitest';
import { builds } from '../reference/builds.js';
import { move } from '../reference/moves.js';
import { NaiveRing, naivePatch } from '../reference/patch.js';
import { Random } from '../reference/random.js';
import { type NaiveBody, naiveApply, naiveBody, naivePages } from '../reference/run-table.js';
import { PatchRig } from './patch-rig.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] !== undefined;
const pageBytes = 4096;

/** A memory in which there is something to be found: words, and among them what was said before. */
function prose(random: Random, pages: number): Uint8Array {
  const memory = random.bytes(pages * pageBytes);
  for (let copies = 0; copies < pages; copies++) move(random, memory);
  return memory;
}

/** The patches of some frames. */
function patchesOf(bodies: readonly NaiveBody[]): { page: number; payload: Uint8Array }[] {
  return bodies.flatMap(({ body, tableBytes }) => {
    return naivePages(body, tableBytes).filter(({ kind }) => kind === 'patch');
  });
}

/** Bytes that are a patch, nearly one, or hardly. */
function damaged(random: Random, good: readonly Uint8Array[]): Uint8Array {
  const model = good[random.below(good.length)] ?? new Uint8Array(1);
  switch (random.below(5)) {
    case 0:
      return random.bytes(1 + random.below(64));
    case 1:
      return model.slice(0, 1 + random.below(model.length));
    case 2: {
      const other = good[random.below(good.length)] ?? model;
      return Buffer.concat([
        model.subarray(0, random.below(model.length)),
        other.subarray(random.below(other.length)),
        Uint8Array.of(random.u32()),
      ]).subarray(0, 4093);
    }
    default: {
      const patch = model.slice();
      for (let edits = random.below(4); edits >= 0; edits--) {
        const at = random.below(random.below(2) === 0 ? Math.min(patch.length, 24) : patch.length);
        patch[at] = [random.u32(), 0xff, 0x80, 0, 0xe3, (patch[at] ?? 0) + 1][random.below(6)] ?? 0;
      }
      return patch;
    }
  }
}

describe.each(builds)('patches, $build build', ({ shared }) => {
  test('say over many rounds what the naive twin reads in them', async () => {
    for (let seed = 1; seed <= (nightly ? 40 : 3); seed++) {
      const random = new Random(seed);
      const pages = 20 + random.below(300);
      const memory = prose(random, pages).subarray(0, pages * pageBytes - random.below(pageBytes));
      const rig = new PatchRig(shared, memory);
      const twin = rig.destination.bytes.slice();
      const ring = new NaiveRing();
      let patches = 0;
      rig.source.dirty.setRange(0, pages);
      for (let round = 0; round < 12; round++) {
        rig.index.tryCost = random.below(8) > 0 ? 64 : 0;
        for (const frame of rig.capture()) {
          naiveApply(new Map([[0, twin]]), frame, 'zeros', ring);
          const runs = rig.check(frame);
          expect(runs).toBeGreaterThan(0);
          await rig.carryOut(runs);
          patches += patchesOf([frame]).length;
        }
        expect(Buffer.compare(twin, memory)).toBe(0);
        expect(Buffer.compare(rig.destination.bytes, memory)).toBe(0);
        expect(rig.hashes.hashes.leaves()).toEqual(rig.source.hashes.leaves());
        rig.index.indexPages([rig.source], random.below(2 * pages));
        for (let moves = 1 + random.below(pages / 2); moves > 0; moves--) {
          const { from, to } = move(random, memory);
          const first = Math.floor(from / pageBytes);
          rig.source.dirty.setRange(first, Math.ceil(to / pageBytes) - first);
        }
        // A page that is not what it was taken for at the destination: nothing may be copied from it before it was sent again.
        const lost = random.below(pages);
        const noise = random.bytes(memory.length - lost * pageBytes).subarray(0, pageBytes);
        for (const there of [twin, rig.destination.bytes]) there.set(noise, lost * pageBytes);
        rig.source.baseKnown.clear(lost);
        rig.source.dirty.set(lost);
      }
      expect(patches).toBeGreaterThan(50);
    }
  });

  test('of random and of damaged bytes are refused as the twin refuses them, or do as the twin does', async () => {
    const random = new Random(shared ? 3 : 4);
    const pages = 60;
    const memory = prose(random, pages).subarray(0, pages * pageBytes - 100);
    const rig = new PatchRig(shared, memory);
    const ring = new NaiveRing();
    const good: Uint8Array[] = [];
    for (let round = 0; round < 20; round++) {
      rig.source.dirty.setRange(0, pages);
      for (const frame of rig.capture()) {
        naiveApply(new Map([[0, rig.destination.bytes.slice()]]), frame, 'zeros', ring);
        await rig.carryOut(rig.check(frame));
        good.push(...patchesOf([frame]).map(({ payload }) => payload));
      }
      rig.index.indexPages([rig.source], pages);
      for (let moves = 0; moves < 30; moves++) move(random, memory);
    }
    expect(good.length).toBeGreaterThan(100);

    const untouchable = rig.sourceAreas();
    const before = untouchable.slice();
    const region = rig.destination.bytes;
    let accepted = 0;
    const count = nightly ? 1_000_000 : 20_000;
    for (let index = 0; index < count; index++) {
      const page = random.below(8) === 0 ? (pages - 1) * random.below(2) : random.below(pages);
      const payload = damaged(random, good);
      const runs = rig.check(naiveBody([{ region: 0, page, kind: 'patch', payload }]));
      const expected = naivePatch(payload, page, { region, ring });
      if (expected === null) {
        expect(runs).toBe(-6);
        continue;
      }
      expect(runs).toBe(1);
      accepted++;
      const previous = new Uint8Array(pageBytes);
      previous.set(region.subarray(page * pageBytes, (page + 1) * pageBytes));
      ring.push(previous);
      const others = accepted % 100 === 0 ? region.slice() : undefined;
      await rig.carryOut(runs);
      others?.set(expected.subarray(0, region.length - page * pageBytes), page * pageBytes);
      if (others !== undefined) expect(Buffer.compare(others, region)).toBe(0);
      const built = region.subarray(page * pageBytes, (page + 1) * pageBytes);
      expect(Buffer.compare(expected.subarray(0, built.length), built)).toBe(0);
    }
    expect(Buffer.compare(before, untouchable)).toBe(0);
    expect(accepted).toBeGreaterThan(count / 20);
    expect(accepted).toBeLessThan(count * 0.9);
  });
});
