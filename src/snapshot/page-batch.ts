import { MAX_BATCH_PAGES } from './types.js';

/** Pages that are stored together: their ids, and where they are found or put. One object serves one batch after the other. */
export class PageBatchState {
  count = 0;
  /** 4 words a page. */
  readonly ids: Uint32Array = new Uint32Array(4 * MAX_BATCH_PAGES);
  /** Where the parent has what stands at their numbers; 0: nowhere. */
  readonly before: Uint32Array = new Uint32Array(MAX_BATCH_PAGES);
  /** Where they are; 0: nowhere yet. */
  readonly places: Uint32Array = new Uint32Array(MAX_BATCH_PAGES);
  /** 1: has to be stored. */
  readonly fresh: Uint8Array = new Uint8Array(MAX_BATCH_PAGES);
  readonly #idBytes = new Uint8Array(this.ids.buffer);
  /** Which fresh page each equals; -1: none. */
  readonly #twins = new Int8Array(MAX_BATCH_PAGES);
  readonly #slots = new Uint8Array(4 * MAX_BATCH_PAGES);

  /** Begins with the next batch, whose ids are given. */
  begin(ids: Uint8Array, count: number): void {
    this.count = count;
    this.#idBytes.set(ids);
    this.before.fill(0);
    this.places.fill(0);
  }

  /** Marks the pages that have to be stored, each content once, and which others equal them. Returns how many are stored, and how many equal those. */
  findTwins(): { fresh: number; twins: number } {
    this.#slots.fill(0);
    this.#twins.fill(-1);
    this.fresh.fill(0);
    const mask = this.#slots.length - 1;
    let fresh = 0;
    let twins = 0;
    for (let page = 0; page < this.count; page++) {
      if (this.places[page] !== 0) continue;
      let slot = (this.ids[4 * page] as number) & mask;
      for (;;) {
        const other = (this.#slots[slot] as number) - 1;
        if (other < 0) {
          this.#slots[slot] = page + 1;
          this.fresh[page] = 1;
          fresh++;
          break;
        }
        if (sameId(this.ids, 4 * other, this.ids, 4 * page)) {
          this.#twins[page] = other;
          twins++;
          break;
        }
        slot = (slot + 1) & mask;
      }
    }
    return { fresh, twins };
  }

  /** Gives pages that equal fresh ones the places these got. */
  placeTwins(): void {
    for (let page = 0; page < this.count; page++) {
      const twin = this.#twins[page] as number;
      if (twin >= 0) this.places[page] = this.places[twin] as number;
    }
  }
}

export function sameId(one: Uint32Array, at: number, other: Uint32Array, otherAt: number): boolean {
  return (
    one[at] === other[otherAt] &&
    one[at + 1] === other[otherAt + 1] &&
    one[at + 2] === other[otherAt + 2] &&
    one[at + 3] === other[otherAt + 3]
  );
}
