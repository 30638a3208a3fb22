import type { DirtyBitmap } from '../memory/bitmap.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { LedgerProgram } from './ledger-program.js';

/** Reads the dirty bitmap that the ledger keeps behind its pages. */
export class LedgerMarks implements DirtyTracker {
  readonly exact = true;
  readonly #program: LedgerProgram;
  readonly #maxPages: number;

  constructor(program: LedgerProgram, maxPages: number) {
    this.#program = program;
    this.#maxPages = maxPages;
  }

  start(): void {
    this.#words().fill(0);
  }

  take(_region: Region, into: DirtyBitmap): void {
    into.takeWords(this.#words());
  }

  stop(): void {}

  #words(): Uint32Array {
    const { memory, bitmapAddress } = this.#program;
    return new Uint32Array(memory.buffer, bitmapAddress, Math.ceil(this.#maxPages / 32));
  }
}
