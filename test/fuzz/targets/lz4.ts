import { decompressLz4 } from '../../../src/codec/lz4.js';
import { Arena } from '../../../src/core/arena.js';
import { naiveLz4 } from '../../reference/lz4.js';
import { Random } from '../../reference/random.js';
import { Guards } from '../guard.js';
import { InputReader, InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';

/** More than any copy or length of several bytes needs. */
const most = 8192;
/** Behind both areas the kernel may touch so much. */
const slack = 32;
const writer = new InputWriter();
const guards = new Guards();
const arenas = [false, true].map((shared) =>
  guards.inArenas(() => {
    const arena = new Arena(1 << 17, { shared });
    return {
      arena,
      source: arena.alloc(most + slack),
      target: arena.alloc(most + slack),
      table: arena.alloc(16_384),
    };
  }),
);
const noise = new Random(2).bytes(most);

/** LZ4 blocks against their naive twin. Input: u16 bytes they are to become, u8 which build, the block. */
export const lz4: Target = {
  name: 'lz4',
  make(random) {
    const rawBytes = few(random, random.below(8) === 0 ? most : 400);
    const said = random.below(8) === 0 ? random.below(most + 1) : rawBytes;
    writer.u16(said).u8(random.below(2));
    return writer.bytes(mutate(random, compressed(random, rawBytes), few(random, 5))).take();
  },
  run(input) {
    const reader = new InputReader(input);
    const rawBytes = reader.u16() % (most + 1);
    const at = arenas[reader.u8() % 2];
    const block = reader.rest();
    expectThat(at !== undefined, 'no such build');
    if (block.length > most) return 'too long';
    const said = naiveLz4(block, rawBytes);
    const twin = said?.length === rawBytes ? said : undefined;
    const { arena } = at;
    // Both end where the kernel may touch no more.
    const source = at.source + most - block.length;
    const target = at.target + most - rawBytes;
    arena.bytes(source, block.length).set(block);
    const taken = arena.kernels.lz4Decompress(source, block.length, target, rawBytes);
    guards.check();
    expectThat(taken === (twin === undefined ? 0 : 1), `${taken}, which its twin denies`);
    if (twin !== undefined) {
      const same = Buffer.compare(arena.bytes(target, rawBytes), twin) === 0;
      expectThat(same, 'it became something else than its twin');
    }
    try {
      decompressLz4(block, rawBytes);
    } catch (error) {
      expectThat(twin === undefined, 'the codec refuses what the kernel takes');
      return refusal(error);
    }
    expectThat(twin !== undefined, 'the codec takes what the kernel refuses');
    return 'taken';
  },
};

/** A block of bytes that repeat now and then. */
export function compressed(random: Random, rawBytes: number): Uint8Array {
  const [at] = arenas;
  expectThat(at !== undefined, 'no such build');
  const { arena, source, target, table } = at;
  const raw = arena.bytes(source, rawBytes);
  for (let end = 0; end < rawBytes; ) {
    const from = random.below(most);
    const piece = random.below(2) === 0 ? noise.subarray(from, from + 20) : raw.slice(0, end);
    const part = piece.subarray(0, Math.min(rawBytes - end, 1 + random.below(80)));
    raw.set(part.length === 0 ? noise.subarray(0, 1) : part, end);
    end += Math.max(1, part.length);
  }
  const bytes = arena.kernels.lz4Compress(source, rawBytes, target, most, table);
  return arena.bytes(target, bytes).slice();
}
