/** The newest measurements of one thing. Asked at every acknowledgement: it keeps them in order, and allocates nothing. */
export class Samples {
  /** A ring: the oldest is replaced by the newest. */
  readonly #values: Float64Array;
  /** The same in ascending order. */
  readonly #sorted: Float64Array;
  #count = 0;
  #next = 0;

  /** Keeps the newest `most`. */
  constructor(most: number) {
    this.#values = new Float64Array(most);
    this.#sorted = new Float64Array(most);
  }

  add(value: number): void {
    const values = this.#values;
    if (this.#count === values.length) this.#takeOut(values[this.#next] ?? 0);
    values[this.#next] = value;
    this.#next = (this.#next + 1) % values.length;
    this.#putIn(value);
  }

  get count(): number {
    return this.#count;
  }

  /** The smallest kept value that at least `share`, 0 to 1, of them do not exceed; undefined while there is none. */
  quantile(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    return this.#sorted[Math.max(0, Math.ceil(this.#count * share) - 1)];
  }

  #takeOut(value: number): void {
    const sorted = this.#sorted;
    const at = sorted.indexOf(value);
    sorted.copyWithin(at, at + 1, this.#count);
    this.#count -= 1;
  }

  #putIn(value: number): void {
    const sorted = this.#sorted;
    let at = this.#count;
    for (; at > 0 && (sorted[at - 1] ?? 0) > value; at--) sorted[at] = sorted[at - 1] ?? 0;
    sorted[at] = value;
    this.#count += 1;
  }
}
