import { randomFillSync } from 'node:crypto';
import { Arena } from '../src/core/arena.js';
import { loadCPeers } from './c-peers.js';
import { type Suite, throughput } from './harness.js';
import { decodeXbzrle, encodeXbzrle } from './plain-js.js';

const pageBytes = 4096;
const pages = 64;
/** As a page of its own: a delta must beat sending the page. */
const capacity = pageBytes - 1;

/** How each kind of page changes; `next` starts as a copy of the previous page. */
const changes: Readonly<Record<string, (next: Uint8Array) => void>> = {
  '8-words': (next) => {
    for (let i = 0; i < 8; i++) next.fill(1, i * 500, i * 500 + 8);
  },
  '64-words': (next) => {
    for (let i = 0; i < 64; i++) next.fill(1, i * 64 + 3, i * 64 + 11);
  },
  'one-run': (next) => {
    next.fill(1, 1000, 2000);
  },
  'every-2nd-byte': (next) => {
    for (let i = 0; i < pageBytes; i += 2) next[i] = (next[i] ?? 0) ^ 1;
  },
  'all-random': (next) => {
    randomFillSync(next);
  },
};

export const suite: Suite = {
  question: 'How fast are changed pages turned into deltas and back?',
  async *run() {
    const c = loadCPeers();
    const arena = new Arena(4 * pages * pageBytes);
    const { kernels } = arena;
    const previous = arena.alloc(pages * pageBytes, pageBytes);
    const next = arena.alloc(pages * pageBytes, pageBytes);
    const out = arena.alloc(pageBytes);
    const page = arena.alloc(pageBytes);
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
            'C (gcc -O3)': () => c.xbzrle_pages(allPrevious, allNext, pages, outView, capacity),
          }),
          'plain JavaScript': () => {
            for (const pair of pairs) encodeXbzrle(pair.previous, pair.next, outView);
          },
        },
      );

      const length = kernels.xbzrleEncode(previous, next, pageBytes, out, capacity);
      if (length < 0) continue;
      const delta = arena.bytes(out, length);
      yield await throughput(
        `xbzrle/decode-${change}`,
        pageBytes,
        () => kernels.xbzrleDecode(out, length, page, pageBytes),
        { 'plain JavaScript': () => decodeXbzrle(delta, view(page)) },
      );
    }
  },
};
