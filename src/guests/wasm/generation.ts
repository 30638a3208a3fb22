import { randomBytes } from 'node:crypto';

/**
 * Told to a program each time it goes on as another copy than before: after a switchover, after it was restored. Two copies of one memory would go
 * on with the same random numbers, keys and identifiers.
 */
export interface Generation {
  /** How often this happened to the program, from 1 on. */
  readonly number: number;
  /** 32 bytes from the system's source of random numbers, for no other copy. */
  readonly seed: Uint8Array;
}

export function nextGeneration(before: number): Generation {
  return { number: before + 1, seed: new Uint8Array(randomBytes(32)) };
}
