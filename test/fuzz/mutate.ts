import type { Random } from '../reference/random.js';

const telling = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff] as const;

/** A copy of `bytes` with so many small things wrong with it: bits, bytes, numbers, stretches that went, came or moved. */
export function mutate(random: Random, bytes: Uint8Array, times: number): Uint8Array {
  let result: Uint8Array = new Uint8Array(bytes);
  for (let time = 0; time < times; time++) result = mutateOnce(random, result);
  return result;
}

/** 0 to `most`, mostly few. */
export function few(random: Random, most: number): number {
  return Math.min(random.below(most + 1), random.below(most + 1));
}

function mutateOnce(random: Random, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const at = length === 0 ? 0 : random.below(length);
  const stretch = 1 + few(random, Math.min(64, length));
  switch (random.below(9)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.u32();
      return bytes;
    case 2:
      bytes[at] = telling[random.below(telling.length)] ?? 0;
      return bytes;
    case 3:
      // A number that is nearly right.
      bytes[at] = (bytes[at] ?? 0) + (random.below(2) === 0 ? 1 : -1);
      return bytes;
    case 4:
      bytes.fill(telling[random.below(telling.length)] ?? 0, at, at + 2 ** random.below(4));
      return bytes;
    case 5:
      return spliced(bytes, at, stretch, new Uint8Array());
    case 6:
      return spliced(bytes, at, 0, random.bytes(stretch));
    case 7: {
      const from = length === 0 ? 0 : random.below(length);
      return spliced(bytes, at, random.below(2) * stretch, bytes.slice(from, from + stretch));
    }
    default:
      return random.below(4) === 0 ? bytes.slice(0, at) : bytes;
  }
}

/** `bytes` with `removed` bytes from `at` on replaced by `put`. */
function spliced(bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array {
  const behind = bytes.subarray(Math.min(bytes.length, at + removed));
  const result = new Uint8Array(at + put.length + behind.length);
  result.set(bytes.subarray(0, at));
  result.set(put, at);
  result.set(behind, at + put.length);
  return result;
}
