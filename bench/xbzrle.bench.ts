import { randomFillSync } from 'node:crypto';
import { Arena } from '../src/core/arena.js';
import { type CPeers, loadCPeers } from './c-peers.js';
import { type Suite, throughput } from './harness.js';
import { decodeXbzrle, encodeXbzrle } from './plain-js.js';

const pageBytes = 4096;
const pages = 64;
/** As a page of its own: a delta must beat sending the page. */
const capacity = pageBytes - 1;

/** How each kind of page changes; `next` starts as a copy of the previous page. The last three do not fit a delta. */
const changes: Readonly<Record<string, (next: Uint8Array) => void>> = {
  'one-word': (next) => increase(next, 2000, 8),
  '8-words': (next) => {
    for (let i = 0; i < 8; i++) increase(next, i * 500, 8);
  },
  '64-words': (next) => {
    for (let i = 0; i < 64; i++) increase(next, i * 64 + 3, 8);
  },
  '1KiB-run': (next) => increase(next, 1000, 1024),
  'counter-every-8-bytes': (next) => {
    for (let i = 0; i < pageBytes; i += 8) increase(next, i, 1);
  },
  'every-2nd-byte': (next) => {
    for (let i = 0; i < pageBytes; i += 2) increase(next, i, 1);
  },
  'half-the-bytes': (next) => {
    // In runs of mostly one to three bytes, a few more than fit: whoever looks at the beginning only cannot tell.
    const lengths = randomFillSync(new Uint8Array(pageBytes));
    for (let at = 0; at < pageBytes; ) {
      const random = lengths[at] ?? 0;
      const length = random % 8 === 0 ? 1 : 1 + (random % 3);
      increase(next, at, Math.min(length, pageBytes - at));
      at += 2 * length;
    }
  },
  'all-random': (next) => {
    randomFillSync(next);
  },
};

/** Adds 1 to each of `count` bytes from `at` on. */
function increase(bytes: Uint8Array, at: number, count: number): void {
  for (let i = at; i < at + count; i++) bytes[i] = (bytes[i] ?? 0) + 1;
}

export const suite: Suite = {
  question: 'How fast are changed pages turned into deltas and back?',
  async *run() {
    const c = loadCPeers();
    const arena = new Arena(4 * pages * pageBytes);
    const { kernels } = arena;
    const previous = arena.alloc(pages * pageBytes, pageBytes);
    const next = arena.alloc(pages * pageBytes, pageBytes);
    const out = arena.alloc(pageBytes);
    const view = (address: number) => arena.bytes(address, pageBytes);
    const outView = view(out).subarray(0, capacity);
    const allPrevious = arena.bytes(previous, pages * pageBytes);
    const allNext = arena.bytes(next, pages * pageBytes);
    const pairs = Array.from({ length: pages }, (_, i) => ({
      previous: view(previous + i * pageBytes),
      next: view(next + i * pageBytes),
    }));

    for (const [change, apply] of Object.entries(changes)) {
      for (const pair of pairs) {
        randomFillSync(pair.previous);
        pair.next.set(pair.previous);
        apply(pair.next);
      }
      const length = kernels.xbzrleEncode(previous, next, pageBytes, out, capacity);
      const delta = arena.bytes(out, Math.max(0, length)).slice();
      if (c !== undefined) checkSame(c, pairs[0], delta, length);
      yield await throughput(
        `xbzrle/encode-${change}`,
        pages * pageBytes,
        () => {
          for (let at = 0; at < pages * pageBytes; at += pageBytes) {
            kernels.xbzrleEncode(previous + at, next + at, pageBytes, out, capacity);
          }
        },
        {
          ...(c && {
            'scalar C': () => c.xbzrle_pages(allPrevious, allNext, pages, outView, capacity),
          }),
          'plain JavaScript': () => {
            for (const pair of pairs) encodeXbzrle(pair.previous, pair.next, outView);
          },
        },
      );

      if (length < 0) continue;
      outView.set(delta);
      yield await throughput(
        `xbzrle/decode-${change}`,
        pages * pageBytes,
        () => {
          for (let at = 0; at < pages * pageBytes; at += pageBytes) {
            kernels.xbzrleDecode(out, length, previous + at, pageBytes);
          }
        },
        {
          ...(c && {
            'C (memcpy of the literals)': () =>
              c.copy_literals(outView, length, allPrevious, pages),
          }),
          'plain JavaScript': () => {
            for (const pair of pairs) decodeXbzrle(delta, pair.previous);
          },
        },
      );
    }
  },
};

/** A rival that writes something else is none. */
function checkSame(
  c: CPeers,
  pair: { previous: Uint8Array; next: Uint8Array } | undefined,
  delta: Uint8Array,
  length: number,
): void {
  if (pair === undefined) return;
  const theirs = new Uint8Array(capacity);
  const theirLength = c.xbzrle_pages(pair.previous, pair.next, 1, theirs, capacity);
  const isSame =
    theirLength === length && Buffer.compare(theirs.subarray(0, delta.length), delta) === 0;
  if (!isSame) throw new Error(`C writes ${theirLength} bytes, we ${length}, or other ones`);
}
