import { PRINT_BYTES } from './fingerprint-file.js';

/** Pages that are looked at with one order: 1 MiB. */
export const LOOK_PAGES = 256;
const pageBytes = 4096;
const idBytes = 16;

/** What became of a page that was looked at. */
export const pageState = { zero: 0, same: 1, changed: 2 } as const;

/**
 * Where one order's pages lie, seen by the thread that looks at them and by the one that stores them: 1 MiB of pages, room for as much compressed, their
 * ids and fingerprints, those of the parent's pages, the numbers of pages that changed, a state for each.
 */
export class PageArea {
  /** Bytes it takes; a multiple of 64. */
  static readonly byteLength: number =
    LOOK_PAGES * (2 * pageBytes + 2 * idBytes + 2 * PRINT_BYTES + 4 + 1);

  /** Of the pages, in the memory that holds it. */
  readonly address: number;
  readonly pages: Uint8Array;
  /** Blocks of the pages that changed, each where its pages would begin. */
  readonly blocks: Uint8Array;
  readonly ids: Uint8Array;
  readonly parentIds: Uint8Array;
  /** Fingerprints of the pages, and of the parent's; each two words. */
  readonly prints: Uint32Array;
  readonly parentPrints: Uint32Array;
  readonly numbers: Uint32Array;
  readonly states: Uint8Array;

  /** `address`: a multiple of 64. */
  constructor(memory: ArrayBufferLike, address: number) {
    this.address = address;
    this.pages = new Uint8Array(memory, address, LOOK_PAGES * pageBytes);
    let next = address + this.pages.length;
    this.blocks = new Uint8Array(memory, next, LOOK_PAGES * pageBytes);
    next += this.blocks.length;
    this.ids = new Uint8Array(memory, next, LOOK_PAGES * idBytes);
    next += this.ids.length;
    this.parentIds = new Uint8Array(memory, next, LOOK_PAGES * idBytes);
    next += this.parentIds.length;
    this.prints = new Uint32Array(memory, next, LOOK_PAGES * 2);
    next += this.prints.byteLength;
    this.parentPrints = new Uint32Array(memory, next, LOOK_PAGES * 2);
    next += this.parentPrints.byteLength;
    this.numbers = new Uint32Array(memory, next, LOOK_PAGES);
    next += this.numbers.byteLength;
    this.states = new Uint8Array(memory, next, LOOK_PAGES);
  }

  /** Where the parent's ids or fingerprints belong. */
  parent(what: 'ids' | 'fingerprints'): Uint8Array {
    if (what === 'ids') return this.parentIds;
    const { buffer, byteOffset, byteLength } = this.parentPrints;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
}
