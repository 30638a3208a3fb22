/** A segment that the program drops. */
export interface DroppedSegment {
  readonly kind: 'data' | 'elem';
  readonly index: number;
}

/** What was seen in the code of a module while it was rewritten. */
export class Findings {
  stores = 0;
  simdStores = 0;
  atomics = 0;
  bulkOperations = 0;
  marks = 0;
  /** Functions that code references, besides those the module's declarations do. */
  readonly referenced: Set<number> = new Set();
  readonly drops: DroppedSegment[] = [];
  readonly #dropNumbers = new Map<string, number>();

  /** The number of a dropped segment in `drops`. */
  dropNumber(kind: 'data' | 'elem', index: number): number {
    const key = `${kind} ${index}`;
    const known = this.#dropNumbers.get(key);
    if (known !== undefined) return known;
    const number = this.drops.push({ kind, index }) - 1;
    this.#dropNumbers.set(key, number);
    return number;
  }
}
