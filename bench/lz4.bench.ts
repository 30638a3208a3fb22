import { randomFillSync } from 'node:crypto';
import { Arena } from '../src/core/arena.js';
import { loadLz4Wasm } from '../test/reference/lz4-wasm.js';
import { loadLz4Peer } from './c-peers.js';
import { type Suite, throughput } from './harness.js';
import { rowPages } from './rows.js';

const blockBytes = 65536;
const slack = 64;

/** 64 KiB of what frames are made of. */
async function contents(): Promise<Record<string, Uint8Array>> {
  const words = new TextEncoder().encode(
    JSON.stringify(Object.entries(process.report.getReport())).repeat(8),
  );
  const numbers = new Uint8Array(blockBytes);
  const places = randomFillSync(new Uint16Array(blockBytes / 8));
  new BigUint64Array(numbers.buffer).forEach((_, index, all) => {
    all[index] = 0x7f12_3400_0000n + BigInt(places[index] ?? 0) * 16n;
  });
  return {
    sqlite: await rowPages(blockBytes),
    json: words.subarray(0, blockBytes),
    pointers: numbers,
    random: randomFillSync(new Uint8Array(blockBytes)),
  };
}

export const suite: Suite = {
  question: 'How fast are 64 KiB of a frame compressed with LZ4 and back?',
  async *run() {
    const c = loadLz4Peer();
    const wasm = loadLz4Wasm();
    const arena = new Arena(4 * blockBytes + 16384 + 4096);
    const { kernels } = arena;
    const source = arena.alloc(blockBytes + slack);
    const block = arena.alloc(2 * blockBytes);
    const raw = arena.alloc(blockBytes + slack);
    const table = arena.alloc(16384);
    const capacity = blockBytes + 1024;
    for (const [what, bytes] of Object.entries(await contents())) {
      if (bytes.length !== blockBytes) throw new Error(`${what}: ${bytes.length} bytes`);
      const input = arena.bytes(source, blockBytes);
      input.set(bytes);
      const ours = kernels.lz4Compress(source, blockBytes, block, capacity, table);
      const ourBlock = arena.bytes(block, ours).slice();
      const theirs = new Uint8Array(capacity);
      const theirBytes = c?.LZ4_compress_default(input, theirs, blockBytes, capacity);
      console.error(`  ${what}: ${blockBytes} -> ${ours} bytes, liblz4 ${theirBytes ?? '-'}`);
      yield await throughput(
        `lz4/compress-${what}`,
        blockBytes,
        () => kernels.lz4Compress(source, blockBytes, block, capacity, table),
        {
          ...(c && {
            liblz4: () => c.LZ4_compress_default(input, theirs, blockBytes, capacity),
          }),
          'lz4-wasm': () => wasm.compress(input),
        },
      );
      arena.bytes(block, ours).set(ourBlock);
      const output = new Uint8Array(blockBytes);
      if (c !== undefined) {
        const length = c.LZ4_decompress_safe(ourBlock, output, ours, blockBytes);
        if (length !== blockBytes || Buffer.compare(output, input) !== 0) {
          throw new Error(`liblz4 reads ${length} other bytes in our block`);
        }
      }
      yield await throughput(
        `lz4/decompress-${what}`,
        blockBytes,
        () => {
          if (kernels.lz4Decompress(block, ours, raw, blockBytes) === 0) throw new Error('refused');
        },
        {
          ...(c && {
            liblz4: () => c.LZ4_decompress_safe(ourBlock, output, ours, blockBytes),
          }),
          'lz4-wasm': () => wasm.decompress(ourBlock, blockBytes),
        },
      );
    }
  },
};
