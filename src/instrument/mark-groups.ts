import { origins } from './operand-stack.js';

const firstRoom = 64;
/** Another mark stands for a group's own. */
export const takenAway = -3;
/** Offsets this large are no loop's. */
const farthest = 65_536;
/** So many groups back a store may join one: more were never seen to pay. */
const reach = 8;
const pageBytes = 4096;

/** A group's local that is none: its address is a constant, and its detail a page. */
export const constantAddress: number = origins.constant;

/**
 * Stores that share a mark: the same unchanged local as their base, in code where nothing between them can suspend the program or be jumped
 * to, and all within `headBytes`; or a constant address on the same page. The first of them carries the mark, at the lowest address of all.
 */
export class MarkGroups {
  readonly headBytes: number;
  readonly #merges: boolean;
  #local = new Int32Array(firstRoom);
  /** Which value of the local. */
  #detail = new Int32Array(firstRoom);
  #low = new Float64Array(firstRoom);
  #high = new Float64Array(firstRoom);
  #count = 0;
  /** Those that stores may still join. */
  #open = new Int32Array(firstRoom);
  #openCount = 0;
  /** How many were closed for good. */
  #closed = 0;

  /** `headBytes`: how far into the next page a mark may reach. Without `merges` every store has a mark of its own. */
  constructor(headBytes: number, merges: boolean) {
    this.headBytes = headBytes;
    this.#merges = merges;
  }

  clear(): void {
    this.#count = 0;
    this.#openCount = 0;
    this.#closed = 0;
  }

  /** A note of what is open, for `closeSince`. */
  get opened(): number {
    return this.#closed + this.#openCount;
  }

  /** Closes what was opened since the note was taken. */
  closeSince(note: number): void {
    const left = Math.max(0, note - this.#closed);
    if (this.#openCount > left) this.#openCount = left;
  }

  /** Closes all there are. */
  close(): void {
    this.#closed += this.#openCount;
    this.#openCount = 0;
  }

  /** Whether an open group's mark covers `bytes` bytes at `offset` from value `detail` of `local` too, now. */
  joins(local: number, detail: number, offset: number, bytes: number): boolean {
    const open = this.#open;
    const last = Math.max(0, this.#openCount - reach);
    const most = local === constantAddress ? pageBytes + this.headBytes : this.headBytes;
    for (let index = this.#openCount - 1; index >= last; index--) {
      const group = open[index] ?? 0;
      if (this.#local[group] !== local || this.#detail[group] !== detail) continue;
      const low = Math.min(this.#low[group] ?? 0, offset);
      const high = Math.max(this.#high[group] ?? 0, offset + bytes);
      if (high - low > most) continue;
      this.#low[group] = low;
      this.#high[group] = high;
      return true;
    }
    return false;
  }

  /** A group for a store that joins none; gives its number. `isTemporary`: its local is soon another. */
  open(local: number, detail: number, offset: number, bytes: number, isTemporary: boolean): number {
    const group = this.#count++;
    if (group === this.#local.length) this.#grow();
    this.#local[group] = local;
    this.#detail[group] = detail;
    this.#low[group] = offset;
    this.#high[group] = offset + bytes;
    // No more than there are groups.
    if (this.#merges && !isTemporary) this.#open[this.#openCount++] = group;
    return group;
  }

  /** The local its mark goes out from, or `constantAddress`. */
  localOf(group: number): number {
    return this.#local[group] ?? 0;
  }

  /** The page of a constant address. */
  pageOf(group: number): number {
    return this.#detail[group] ?? 0;
  }

  /** What to add to the local. 0 where the mark of the local's own page covers all. */
  offsetOf(group: number): number {
    const isCovered = (this.#high[group] ?? 0) <= this.headBytes;
    return isCovered ? 0 : (this.#low[group] ?? 0);
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /**
   * Takes away the marks of all groups from number `first` on that go out from `local`, before or after it grew, if there are any: from where
   * to where they reach, counted from what it was before.
   */
  take(
    first: number,
    local: number,
    grown: { readonly from: number; readonly by: number; readonly to: number },
  ): { low: number; high: number; count: number } | undefined {
    const goesOut = (group: number): boolean => {
      const detail = this.#detail[group];
      const isItsValue = detail === grown.from || detail === grown.to;
      return this.#local[group] === local && isItsValue;
    };
    const taken: number[] = [];
    for (let group = first; group < this.#count; group++) if (goesOut(group)) taken.push(group);
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const group of taken) {
      const ahead = this.#detail[group] === grown.to ? grown.by : 0;
      low = Math.min(low, (this.#low[group] ?? 0) + ahead);
      high = Math.max(high, (this.#high[group] ?? 0) + ahead);
    }
    if (taken.length === 0 || high > farthest) return undefined;
    for (const group of taken) this.#local[group] = takenAway;
    return { low, high, count: taken.length };
  }

  #grow(): void {
    const room = 2 * this.#local.length;
    const ints = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const copy = new Int32Array(room);
      copy.set(old);
      return copy;
    };
    const doubles = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(room);
      copy.set(old);
      return copy;
    };
    this.#open = ints(this.#open);
    this.#local = ints(this.#local);
    this.#detail = ints(this.#detail);
    this.#low = doubles(this.#low);
    this.#high = doubles(this.#high);
  }
}
