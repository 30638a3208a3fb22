import type { Arena } from '../core/arena.js';
import { patchState } from '../core/kernel-exports.js';
import { PAGE_BYTES } from '../memory/pages.js';

/** Pages of the ring at both ends: 8 MiB (docs/protocol.md, section 4). */
const RING_PAGES = 2048;
export const RING_BYTES: number = RING_PAGES * PAGE_BYTES;

/** What pages held that patches and long deltas replaced, the same at both ends: patches may copy from it. Empty, that is zeros, at first. */
export class PatchRing {
  /** Of its `patchState`. */
  readonly state: number;
  protected readonly fields: Uint32Array;
  readonly #ring: Uint8Array;

  /** Bytes of arena taken. Untouched they cost address space only. */
  static readonly byteLength: number = RING_BYTES + patchState.byteLength + 4 * 64;

  constructor(arena: Arena) {
    this.state = arena.alloc(patchState.byteLength, 64);
    this.fields = arena.u32(this.state, patchState.byteLength / 4);
    this.fields[patchState.ring / 4] = arena.alloc(RING_BYTES + 64, 64);
    this.fields[patchState.ringPages / 4] = RING_PAGES;
    this.#ring = arena.bytes(this.fields[patchState.ring / 4] ?? 0, RING_BYTES);
  }

  /** As at first. */
  empty(): void {
    if (this.fields[patchState.pushes / 4] !== 0) this.#ring.fill(0);
    this.fields[patchState.pushes / 4] = 0;
    this.fields[patchState.filled / 4] = 0;
  }
}
