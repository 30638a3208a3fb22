import { randomFillSync } from 'node:crypto';
import { Arena } from '../src/core/arena.js';
import { loadCPeers } from './c-peers.js';
import { type Suite, throughput } from './harness.js';
import { countChangedPages } from './plain-js.js';

const pageBytes = 4096;
/** One page in so many has changed: what a scan mostly finds. */
const changedEvery = 100;
/** Foreign memory is brought into the arena in pieces that stay in the second-level cache. */
const piecePages = 64;

export const suite: Suite = {
  question:
    'How fast are the changed pages of a memory, one in a hundred, found against its shadow?',
  async *run() {
    const c = loadCPeers();
    for (const mebibytes of [1, 64]) {
      const bytes = mebibytes * 2 ** 20;
      const pages = bytes / pageBytes;
      const arena = new Arena(2 * bytes + piecePages * pageBytes + 65536);
      const { kernels } = arena;
      const memory = arena.alloc(bytes, pageBytes);
      const shadow = arena.alloc(bytes, pageBytes);
      const piece = arena.alloc(piecePages * pageBytes, pageBytes);
      const bitmap = arena.alloc(Math.ceil(pages / 64) * 8);
      const ours = Buffer.from(arena.memory.buffer, memory, bytes);
      const shadowBytes = Buffer.from(arena.memory.buffer, shadow, bytes);
      for (let at = 0; at < bytes; at += 65536) randomFillSync(ours, at, 65536);
      shadowBytes.set(ours);
      for (let at = pageBytes / 2; at < bytes; at += changedEvery * pageBytes) {
        ours.writeUInt8(ours.readUInt8(at) ^ 1, at);
      }
      const foreign = Buffer.from(new ArrayBuffer(bytes));
      foreign.set(ours);

      const peersOver = (theirs: Buffer) => ({
        ...(c && { 'C (memcmp)': () => c.scan_pages(theirs, shadowBytes, pages) }),
        'Buffer.compare': () => compareBuffers(theirs, shadowBytes),
        'plain JavaScript': () =>
          countChangedPages(
            new Uint32Array(theirs.buffer, theirs.byteOffset, bytes / 4),
            new Uint32Array(shadowBytes.buffer, shadowBytes.byteOffset, bytes / 4),
          ),
      });
      yield await throughput(
        `scan/${mebibytes}MiB-in-arena`,
        bytes,
        () => kernels.scanPages(memory, shadow, pages, bitmap),
        peersOver(ours),
      );
      const pieceBytes = arena.bytes(piece, piecePages * pageBytes);
      yield await throughput(
        `scan/${mebibytes}MiB-foreign`,
        bytes,
        () => {
          for (let page = 0; page < pages; page += piecePages) {
            const at = page * pageBytes;
            pieceBytes.set(foreign.subarray(at, at + pieceBytes.length));
            kernels.scanPages(piece, shadow + at, piecePages, bitmap + page / 8);
          }
        },
        peersOver(foreign),
      );
    }
  },
};

function compareBuffers(a: Buffer, b: Buffer): number {
  let changed = 0;
  for (let at = 0; at < a.length; at += pageBytes) {
    const end = at + pageBytes;
    if (a.compare(b, at, end, at, end) !== 0) changed++;
  }
  return changed;
}
