import { FerryError } from '../../src/errors.js';
import type { Random } from '../reference/random.js';

/** Something that strangers' bytes get to, and what must hold whatever they are. */
export interface Target {
  readonly name: string;
  /** An input: any bytes are one, most of these nearly right. The same for the same numbers. */
  make(random: Random): Uint8Array;
  /**
   * Hands the input over and checks what came of it: 'taken', or the code of the refusal. Throws for whatever must not be: an error
   * without a code, a byte written where none belongs, an answer other than the naive twin's.
   */
  run(input: Uint8Array): string | Promise<string>;
  /** As if nothing had been run. Absent: nothing is kept from one input to the next. */
  reset?(): void;
}

/** The code of a refusal. Anything else that was thrown is thrown again: it is a finding. */
export function refusal(error: unknown): string {
  if (!(error instanceof FerryError)) throw error;
  const { cause } = error;
  // A code on its way out does not make a mistake of ours a refusal. What is outside of something is often found by RangeErrors.
  const isMistake = cause instanceof TypeError || cause instanceof ReferenceError;
  if (isMistake || (cause instanceof RangeError && error.code !== 'ERR_OUT_OF_RANGE')) throw cause;
  return error.code;
}

/** Throws unless `holds`. */
export function expectThat(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
