/** How programs move content about in their memory: what patches are for. */
import { type Random, scribble } from './random.js';

/** Bytes of a memory, from one offset to another. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** One change of `memory`: a stretch copied elsewhere, or pushed on by something put in, with an edit or two; or one page scribbled on. */
export function move(random: Random, memory: Uint8Array): Stretch {
  const { length } = memory;
  const kind = random.below(6);
  if (kind === 0) {
    const from = random.below(length) & ~4095;
    const to = Math.min(from + 4096, length);
    scribble(random, memory.subarray(from, to));
    return { from, to };
  }
  const bytes = 1 + random.below(Math.min(length, 9000));
  const source = random.below(length - bytes + 1);
  const gap = random.below(300);
  const from = kind < 3 ? Math.min(source + gap, length - bytes) : random.below(length - bytes + 1);
  memory.copyWithin(from, source, source + bytes);
  for (let edits = random.below(4); edits > 0; edits--) {
    memory[from + random.below(bytes)] = random.u32();
  }
  return { from, to: from + bytes };
}
