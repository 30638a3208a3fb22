import { malformed } from './refusals.js';

const firstRoom = 256;
/** Instead of the index of a local: where a value comes from. */
export const origins = { unknown: -1, constant: -2 } as const;

/**
 * The values that are on the stack at some instruction: where each was made, and whether it is what a local held or a constant. Code that is
 * never reached has no stack.
 */
export class OperandStack {
  #made = new Int32Array(firstRoom);
  #origin = new Int32Array(firstRoom);
  #detail = new Int32Array(firstRoom);
  height = 0;
  /** Below are values of blocks further out. */
  floor = 0;

  /** A value on top of all others, made just before byte `made`. -1: it was not alone, and at no byte it was on top. */
  push(made: number, origin: number = origins.unknown, detail = 0): void {
    const at = this.height++;
    if (at === this.#made.length) this.#grow();
    this.#made[at] = made;
    this.#origin[at] = origin;
    this.#detail[at] = detail;
  }

  /** `count` values at once, of which only the last is on top just before byte `made`. */
  pushMany(count: number, made: number): void {
    for (let left = count; left > 0; left--) this.push(left === 1 ? made : -1);
  }

  drop(count: number): void {
    this.height -= count;
    if (this.height < this.floor) throw malformed('an instruction takes more than there is');
  }

  /** Of the value `depth` below the top. */
  madeAt(depth: number): number {
    return this.#made[this.height - 1 - depth] ?? -1;
  }

  /** The local it was, a constant, or unknown. */
  originAt(depth: number): number {
    return this.#origin[this.height - 1 - depth] ?? origins.unknown;
  }

  /** Which value of the local, or what constant. */
  detailAt(depth: number): number {
    return this.#detail[this.height - 1 - depth] ?? 0;
  }

  #grow(): void {
    const larger = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const copy = new Int32Array(2 * old.length);
      copy.set(old);
      return copy;
    };
    this.#made = larger(this.#made);
    this.#origin = larger(this.#origin);
    this.#detail = larger(this.#detail);
  }
}
