import { randomFillSync } from 'node:crypto';
import { Arena } from '../src/core/arena.js';
import { loadCPeers } from './c-peers.js';
import { type Suite, throughput } from './harness.js';
import { countChangedPages } from './plain-js.js';

const pageBytes = 4096;

export const suite: Suite = {
  question: 'How fast are the changed pages of a memory found against its shadow?',
  async *run() {
    const c = loadCPeers();
    for (const [where, mebibytes] of [
      ['64MiB', 64],
      ['in-cache', 0.25],
    ] as const) {
      const bytes = mebibytes * 2 ** 20;
      const pages = bytes / pageBytes;
      const arena = new Arena(2 * bytes + 65536);
      const { kernels } = arena;
      const memory = arena.alloc(bytes, pageBytes);
      const shadow = arena.alloc(bytes, pageBytes);
      const bitmap = arena.alloc(Math.ceil(pages / 64) * 8);
      fillRandom(arena.bytes(memory, bytes));
      arena.bytes(shadow, bytes).set(arena.bytes(memory, bytes));

      const words = arena.u32(memory, bytes / 4);
      const shadowWords = arena.u32(shadow, bytes / 4);
      const buffer = Buffer.from(words.buffer, memory, bytes);
      const shadowBuffer = Buffer.from(words.buffer, shadow, bytes);
      const compareBuffers = () => {
        let changed = 0;
        for (let at = 0; at < bytes; at += pageBytes) {
          const end = at + pageBytes;
          if (buffer.compare(shadowBuffer, at, end, at, end) !== 0) changed++;
        }
        return changed;
      };
      for (const [changed, every] of [
        ['clean', 0],
        ['10%-changed', 10],
      ] as const) {
        if (every > 0) {
          const middle = pageBytes / 2;
          for (let at = middle; at < bytes; at += every * pageBytes) {
            buffer.writeUInt8(buffer.readUInt8(at) ^ 1, at);
          }
        }
        yield await throughput(
          `scan/${where}-${changed}`,
          bytes,
          () => kernels.scanPages(memory, shadow, pages, bitmap),
          {
            'Buffer.compare': compareBuffers,
            ...(c && { 'C (memcmp)': () => c.scan_pages(buffer, shadowBuffer, pages) }),
            'plain JavaScript': () => countChangedPages(words, shadowWords),
          },
        );
      }
    }
  },
};

function fillRandom(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 65536) randomFillSync(bytes.subarray(at, at + 65536));
}
