import type { Arena } from '../core/arena.js';
import { applyRun } from '../core/kernel-exports.js';
import { MAX_FRAME_PAGES } from './frame-slots.js';

type RunField = Exclude<keyof typeof applyRun, 'byteLength'>;

/** The list of a frame's checked runs (`applyRun` in core/kernel-exports.ts), as many as a frame may have pages. */
export class RunRecords {
  readonly address: number;
  readonly #fields: Uint32Array;

  /** Bytes of arena taken. */
  static readonly byteLength: number = MAX_FRAME_PAGES * applyRun.byteLength + 64;

  constructor(arena: Arena) {
    this.address = arena.alloc(MAX_FRAME_PAGES * applyRun.byteLength);
    this.#fields = arena.u32(this.address, (MAX_FRAME_PAGES * applyRun.byteLength) / 4);
  }

  addressOf(run: number): number {
    return this.address + run * applyRun.byteLength;
  }

  get(run: number, field: RunField): number {
    return this.#fields[(run * applyRun.byteLength + applyRun[field]) / 4] ?? 0;
  }

  put(run: number, field: RunField, value: number): void {
    this.#fields[(run * applyRun.byteLength + applyRun[field]) / 4] = value;
  }
}
