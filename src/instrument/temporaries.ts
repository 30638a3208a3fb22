/** So many stores back it is worth to look for a local that is free. */
const reach = 8;

/**
 * Locals that keep an address from where it was made to behind the store that takes it. Such stretches lie within one another or apart, as
 * the values on a stack do: a store's temporary must be none of those of the stores within its stretch.
 */
export class Temporaries {
  readonly #endedAt = new Int32Array(reach);
  readonly #last = new Int32Array(reach);
  #ended = 0;
  /** How many are needed at once. */
  count = 0;

  clear(): void {
    this.#ended = 0;
    this.count = 0;
  }

  /** The first of `wanted` that are free from byte `made` on; -1 where too many stores lie between to tell. */
  free(made: number): number {
    let first = 0;
    for (let back = 1; back <= Math.min(reach, this.#ended); back++) {
      const slot = (this.#ended - back) % reach;
      if ((this.#endedAt[slot] ?? 0) <= made) return first;
      first = Math.max(first, (this.#last[slot] ?? 0) + 1);
    }
    return this.#ended < reach ? first : -1;
  }

  /** Temporary `last`, and maybe some before it, were in use up to byte `end`. */
  use(last: number, end: number): void {
    const slot = this.#ended++ % reach;
    this.#endedAt[slot] = end;
    this.#last[slot] = last;
    this.count = Math.max(this.count, last + 1);
  }
}
