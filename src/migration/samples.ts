/** The newest measurements of one thing. */
export class Samples {
  readonly #most: number;
  readonly #values: number[] = [];

  /** Keeps the newest `most`. */
  constructor(most: number) {
    this.#most = most;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#most) this.#values.shift();
  }

  get count(): number {
    return this.#values.length;
  }

  /** The smallest kept value that at least `share`, 0 to 1, of them do not exceed; undefined while there is none. */
  quantile(share: number): number | undefined {
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  }
}
