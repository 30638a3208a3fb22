import fc from 'fast-check';
import { encodeMessage, type Message } from '../../src/protocol/index.js';
import { anyOrder, messages } from '../reference/arbitraries.js';
import type { Random } from '../reference/random.js';

const framesOfType = 48;

let corpus: readonly Uint8Array[] | undefined;

/** A whole valid frame of any type of message. */
export function someFrame(random: Random): Uint8Array {
  // Made once: arbitraries take longer than what is tried with them.
  corpus ??= Object.values(messages).flatMap((arbitrary: fc.Arbitrary<Message>) =>
    fc
      .sample(fc.tuple(arbitrary, anyOrder), { numRuns: framesOfType, seed: 1 })
      .map(([message, order]) => encodeMessage(message, order)),
  );
  return corpus[random.below(corpus.length)] ?? new Uint8Array();
}
