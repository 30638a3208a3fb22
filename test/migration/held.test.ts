import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import { CaptureEngine } from '../../src/codec/capture.js';
import { memoryRegion } from '../../src/guests/memory-region.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { systemClock } from '../../src/migration/clock.js';
import { HeldComparison, type Look } from '../../src/migration/held-comparison.js';
import { heldDigest, pageDigests } from '../../src/migration/held-digest.js';
import { HeldPages } from '../../src/migration/held-pages.js';
import { Turns } from '../../src/migration/turns.js';
import type { Held, HeldRequest, Offer } from '../../src/protocol/messages.js';
import { Random } from '../reference/random.js';

const pageBytes = 4096;
const secret = Uint8Array.from({ length: 192 }, (_, index) => (index * 37) & 0xff);

function offerOf(memories: readonly Uint8Array[]): Offer {
  return {
    type: 'OFFER',
    pageSize: pageBytes,
    secret,
    identity: { kind: 'buffer', version: '', features: [] },
    handsOver: true,
    maxStateBytes: 0,
    maxDowntimeMs: 0,
    regions: memories.map(({ byteLength }, id) => {
      return { id, name: '', byteLength, maxByteLength: byteLength };
    }),
  };
}

/** A source and a destination that has what may be an older copy. */
function ends(
  source: readonly Uint8Array[],
  destination: readonly Uint8Array[],
  keeping = { shadowBytes: 1 << 20, baseCacheBytes: 0 },
) {
  const regions = (memories: readonly Uint8Array[]) =>
    memories.map((bytes, id) => memoryRegion({ id, name: '', bytes: () => bytes, held: true }));
  const here = regions(source);
  const tracker = new MarksTracker(here);
  const options = { secret, ...keeping };
  const capture = new CaptureEngine(here, tracker, options);
  const apply = new ApplyEngine(regions(destination), { secret, held: true });
  for (const { id } of here) capture.setBase(id, 'held');
  const offer = offerOf(source);
  const requests: HeldRequest[] = [];
  const done: number[] = [];
  const look: Look = (...pages) => capture.look(...pages);
  const adopt = (region: number, first: number, count: number): void =>
    capture.adopt(region, first, count);
  const comparison = new HeldComparison({
    offer,
    bases: apply.bases(),
    gone: new Set<number>(),
    look,
    adopt,
    ask: (request) => requests.push(request),
    done: (samePages) => done.push(samePages),
  });
  const pages = new HeldPages({
    engine: apply,
    offer,
    turns: Turns.of(systemClock),
    queue: (work) => work(),
  });
  return { capture, apply, comparison, pages, requests, done, offer, look, adopt };
}

const always = (): boolean => true;

/** Lets each hear all that the other says. */
async function converse({ comparison, pages, requests }: ReturnType<typeof ends>): Promise<Held[]> {
  const told: Held[] = [];
  await pages.tell((message) => told.push(message));
  for (let at = 0; at < told.length; at++) {
    await comparison.take(told[at] as Held, always);
    for (const request of requests.splice(0)) {
      await pages.answer(request, (message) => told.push(message));
    }
  }
  return told;
}

describe('what a destination held before', () => {
  it('is found page by page, whatever it is, and the rest is sent', async () => {
    const memories = fc.array(
      fc.record({
        bytes: fc.oneof(
          fc.integer({ min: 1, max: 30_000 }),
          fc.constantFrom(256, 257, 300, 513).map((count) => count * pageBytes - 77),
        ),
        seed: fc.integer(),
        changes: fc.array(fc.nat(600), { maxLength: 8 }),
      }),
      { minLength: 1, maxLength: 3 },
    );
    await fc.assert(
      fc.asyncProperty(memories, async (kinds) => {
        const source = kinds.map(({ bytes, seed }) => new Random(seed).bytes(bytes));
        const destination = source.map((bytes) => Uint8Array.from(bytes));
        let different = 0;
        for (const [at, { changes }] of kinds.entries()) {
          const bytes = destination[at] as Uint8Array;
          const pages = new Set(changes.map((page) => page % Math.ceil(bytes.length / pageBytes)));
          for (const page of pages) bytes[page * pageBytes] = (bytes[page * pageBytes] ?? 0) ^ 1;
          different += pages.size;
        }
        const both = ends(source, destination);
        await converse(both);
        expect(both.capture.dirtyPages).toBe(different);
        expect(both.done.at(-1)).toBe(both.capture.totalPages - different);
        for (let isOver = false; !isOver; ) {
          const { frame, exhausted } = await both.capture.capture({
            maxPayloadBytes: 1 << 17,
            maxPages: 1024,
          });
          if (frame !== undefined) {
            await both.apply.apply(frame.bytes.slice(40), frame.tableBytes);
          }
          frame?.release();
          isOver = exhausted;
        }
        expect(both.apply.roots()).toEqual(both.capture.roots());
        const isSame = source.map((bytes, at) => Buffer.compare(bytes, destination[at] ?? bytes));
        expect(isSame).toEqual(source.map(() => 0));
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    { what: 'the shadow', shadowBytes: 1 << 20, baseCacheBytes: 0 },
    { what: 'the base cache', shadowBytes: 0, baseCacheBytes: 1 << 20 },
  ])('is the base of what changes next, whatever $what kept of what was lost', async (keeping) => {
    const page = new Random(3).bytes(pageBytes);
    const copy = Uint8Array.from(page);
    const both = ends([page], [copy], keeping);
    const { capture, apply } = both;
    const change = async (value: number, arrives: boolean): Promise<void> => {
      page[9] = value;
      capture.markAll();
      const { frame } = await capture.capture({ maxPayloadBytes: 1 << 17, maxPages: 16 });
      if (arrives && frame !== undefined) {
        await apply.apply(frame.bytes.slice(40), frame.tableBytes);
      }
      frame?.release();
    };
    await change(1, true);
    await change(2, true);
    await change(3, false);
    // As it was when the destination heard of it last.
    page[9] = 2;
    capture.setBase(0, 'held');
    await converse(both);
    expect(both.done).toEqual([1]);
    // What a delta to what was lost would leave out.
    page[8] = (page[8] ?? 0) ^ 1;
    await change(3, true);
    expect(copy).toEqual(page);
    expect(apply.roots()).toEqual(capture.roots());
  });

  it('is told by SHA-256', () => {
    const page = new Uint8Array(pageBytes);
    const zeros = 'ad7facb2586fc6e966c004d7d1d16b02';
    expect(Buffer.from(heldDigest(page)).toString('hex')).toBe(zeros);
    const two = Buffer.from(pageDigests(new Uint8Array(2 * pageBytes))).toString('hex');
    expect(two).toBe(zeros + zeros);
  });
});

describe('a source whose destination', () => {
  const bytes = new Random(1).bytes(600 * pageBytes);
  const range = (first: number, count: number, region = 0): Held => {
    return { type: 'HELD', region, level: 'range', first, digests: new Uint8Array(16 * count) };
  };
  const page = (first: number, count: number): Held => ({ ...range(first, count), level: 'page' });

  it.each([
    ['tells of a region that is not held', [range(0, 1, 3)]],
    ['begins behind the first range', [range(1, 1)]],
    ['tells of ranges that are not there', [range(0, 4)]],
    ['tells twice', [range(0, 3), range(0, 3)]],
    ['answers what was not asked', [page(0, 256)]],
    ['answers pages of ranges it has not told of', [range(0, 1), page(256, 256)]],
    ['answers less than was asked', [range(0, 1), page(0, 255)]],
    ['answers more than was asked', [range(0, 1), page(0, 300)]],
    ['answers from the middle of a range on', [range(0, 1), page(1, 255)]],
    ['answers twice', [range(0, 1), page(0, 256), page(0, 256)]],
  ])('%s is not believed', async (_, messages) => {
    const { comparison, done } = ends([bytes], [Uint8Array.from(bytes)]);
    const last = messages.at(-1) as Held;
    for (const message of messages.slice(0, -1)) await comparison.take(message, always);
    await expect(comparison.take(last, always)).rejects.toMatchObject({
      code: 'ERR_UNEXPECTED_MESSAGE',
    });
    expect(done).toEqual([]);
  });

  it('calls what has no pages held is not waited for', async () => {
    const { comparison, apply, done } = ends([new Uint8Array()], [new Uint8Array()]);
    expect(apply.bases()).toEqual(['unknown']);
    comparison.begin();
    expect(done).toEqual([0]);
  });

  it('tells of a region that is gone here is passed over', async () => {
    const { offer, look, adopt } = ends([bytes], [bytes]);
    const done: number[] = [];
    const comparison = new HeldComparison({
      ...{ offer, look, adopt, bases: ['held'], gone: new Set([0]) },
      ask: () => {},
      done: (samePages) => done.push(samePages),
    });
    comparison.begin();
    await comparison.take(range(5, 1), always);
    expect(done[0]).toBe(0);
  });

  it('says of pages that could not be looked at what nothing hashes to is not believed', async () => {
    const { comparison, capture, requests } = ends([bytes], [bytes]);
    capture.adopt(0, 0, 1);
    const nothing = heldDigest(new Uint8Array());
    await comparison.take({ ...range(0, 1), digests: nothing }, always);
    expect(requests).toHaveLength(1);
  });

  it('is lost in the middle goes no further', async () => {
    const { comparison, done, requests, capture } = ends([bytes], [bytes]);
    await comparison.take(range(0, 3), () => false);
    expect({ done, requests, dirty: capture.dirtyPages }).toEqual({
      done: [],
      requests: [],
      dirty: 600,
    });
  });
});

describe('a destination whose source', () => {
  const bytes = new Random(2).bytes(600 * pageBytes);
  const ask = (...ranges: number[]): HeldRequest => ({ type: 'HELD_REQUEST', region: 0, ranges });

  it.each([
    ['asks beyond the end', [ask(3)], 'ERR_OUT_OF_RANGE'],
    ['asks about another region', [{ ...ask(0), region: 9 }], 'ERR_OUT_OF_RANGE'],
    ['asks twice', [ask(0, 1), ask(1, 2)], 'ERR_UNEXPECTED_MESSAGE'],
  ])('%s is refused', async (_, requests, code) => {
    const { pages } = ends([bytes], [bytes]);
    const last = requests.at(-1) as HeldRequest;
    for (const request of requests.slice(0, -1)) await pages.answer(request, () => {});
    await expect(pages.answer(last, () => {})).rejects.toMatchObject({ code });
  });

  it('is gone tells nothing more', async () => {
    const { pages } = ends([bytes], [bytes]);
    pages.stop();
    const told: Held[] = [];
    await pages.tell((message) => told.push(message));
    expect(told).toEqual([]);
  });

  it('is gone while it answers says nothing more: on the next connection nobody asked', async () => {
    const { pages } = ends([bytes], [bytes]);
    const told: Held[] = [];
    await pages.answer(ask(0, 2), (message) => {
      told.push(message);
      pages.stop();
    });
    expect(told).toHaveLength(1);
  });
});
