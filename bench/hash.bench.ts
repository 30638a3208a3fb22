import { randomBytes, randomFillSync } from 'node:crypto';
import { xxh3 } from '@node-rs/xxhash';
import xxhashWasm from 'xxhash-wasm';
import { Arena } from '../src/core/arena.js';
import { checksum } from '../src/core/checksum.js';
import { InPlaceHasher } from '../src/core/in-place.js';
import { loadXxhashPeers } from './c-peers.js';
import { type Suite, throughput } from './harness.js';
import { hash32 } from './plain-js.js';

const pageBytes = 4096;

export const suite: Suite = {
  question: 'How fast is a memory hashed page by page, where it lies and in an arena?',
  async *run() {
    const c = loadXxhashPeers();
    const { h64Raw } = await xxhashWasm();
    const secret = randomBytes(192);
    for (const [where, mebibytes] of [
      ['64MiB', 64],
      ['in-cache', 0.25],
    ] as const) {
      const bytes = mebibytes * 2 ** 20;
      const pages = bytes / pageBytes;
      const arena = new Arena(2 * bytes + pages * 9 + 2 ** 17);
      const { kernels } = arena;
      const memory = arena.alloc(bytes, pageBytes);
      const shadow = arena.alloc(bytes, pageBytes);
      const hashes = arena.alloc(pages * 8);
      const bitmap = arena.alloc(Math.ceil(pages / 64) * 8);
      const secretAddress = arena.alloc(192);
      arena.bytes(secretAddress, 192).set(secret);
      const memoryBytes = arena.bytes(memory, bytes);
      for (let at = 0; at < bytes; at += 65536) randomFillSync(memoryBytes, at, 65536);
      arena.bytes(shadow, bytes).set(memoryBytes);

      const theirHashes = new BigUint64Array(pages);
      if (c !== undefined) {
        c.xxh3_pages(memoryBytes, pages, theirHashes, secret);
        kernels.hashPages(memory, pages, hashes, secretAddress);
        const isSame = theirHashes.every((hash, page) => hash === arena.u64(hashes, pages)[page]);
        if (!isSame) throw new Error('libxxhash computes other hashes');
      }
      const perPage = (hash: (page: Uint8Array) => unknown) => () => {
        for (let page = 0; page < pages; page++) {
          hash(arena.bytes(memory + page * pageBytes, pageBytes));
        }
      };
      const peers = {
        ...(c && {
          'libxxhash (SSE2)': () => c.xxh3_pages(memoryBytes, pages, theirHashes, secret),
        }),
        'our shadow scan': () => kernels.scanPages(memory, shadow, pages, bitmap),
        'xxhash-wasm (XXH64)': perPage((page) => h64Raw(page)),
        '@node-rs/xxhash (native XXH3)': perPage((page) => xxh3.xxh64WithSecret(page, secret)),
        'plain JavaScript (32 bits)': perPage((page) =>
          hash32(new Uint32Array(page.buffer, page.byteOffset, pageBytes / 4)),
        ),
      };
      yield await throughput(
        `hash/pages-${where}`,
        bytes,
        () => kernels.hashPages(memory, pages, hashes, secretAddress),
        peers,
      );

      const hasher = new InPlaceHasher(arena.memory, secret, memory);
      const kept = new Uint32Array(2 * pages);
      hasher.hashAll(kept, 0, pages);
      yield await throughput(
        `hash/in-place-${where}`,
        bytes,
        () => hasher.nextChanged(kept, 0, pages),
        peers,
      );
    }

    const frame = randomBytes(512 * 1024);
    yield await throughput('hash/frame-512KiB', frame.length, () => checksum(frame), {
      'xxhash-wasm (XXH64)': () => h64Raw(frame),
      '@node-rs/xxhash (native XXH3)': () => xxh3.xxh64(frame),
    });
  },
};
