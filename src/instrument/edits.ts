const firstRoom = 256;

/** What is put into a function's code. The numbers say in which order at one byte: what replaces an instruction comes last. */
export const editKinds = {
  /** first: a group of marks. */
  mark: 0,
  /** A range was written: the temporaries (first) of the address and (second) of the length. */
  markRange: 1,
  /** A segment was dropped: first says which in the list of those. */
  dropped: 2,
  /** A loop begins that writes a range: first says which of the strides. */
  stride: 3,
  /** first: the temporary that keeps the value on top. */
  tee: 4,
  /** What a store or bulk operation takes, all in temporaries; first: of the address; second: the opcode. */
  spill: 5,
  /** As markRange, of a range that is about to be written: behind what puts its address and length there. */
  markRangeFirst: 6,
  /** Instead of memory.size and memory.grow. */
  size: 7,
  grow: 8,
} as const;

/** Edits of one function's code, in the order of the bytes where they belong. */
export class Edits {
  at: Int32Array<ArrayBuffer> = new Int32Array(firstRoom);
  /** Behind what they replace; `at` where that is nothing. */
  to: Int32Array<ArrayBuffer> = new Int32Array(firstRoom);
  kind: Uint8Array<ArrayBuffer> = new Uint8Array(firstRoom);
  first: Int32Array<ArrayBuffer> = new Int32Array(firstRoom);
  second: Int32Array<ArrayBuffer> = new Int32Array(firstRoom);
  count = 0;

  clear(): void {
    this.count = 0;
  }

  /** Most are added in order; the others move back only those between here and there. */
  add(kind: number, at: number, to: number, first: number, second = 0): void {
    if (this.count === this.at.length) this.#grow();
    let slot = this.count++;
    for (; slot > 0; slot--) {
      const before = this.at[slot - 1] ?? 0;
      if (before < at || (before === at && (this.kind[slot - 1] ?? 0) <= kind)) break;
      this.#move(slot - 1, slot);
    }
    this.at[slot] = at;
    this.to[slot] = to;
    this.kind[slot] = kind;
    this.first[slot] = first;
    this.second[slot] = second;
  }

  #move(from: number, to: number): void {
    this.at[to] = this.at[from] ?? 0;
    this.to[to] = this.to[from] ?? 0;
    this.kind[to] = this.kind[from] ?? 0;
    this.first[to] = this.first[from] ?? 0;
    this.second[to] = this.second[from] ?? 0;
  }

  #grow(): void {
    const room = 2 * this.at.length;
    const larger = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const copy = new Int32Array(room);
      copy.set(old);
      return copy;
    };
    const kind = new Uint8Array(room);
    kind.set(this.kind);
    this.kind = kind;
    this.at = larger(this.at);
    this.to = larger(this.to);
    this.first = larger(this.first);
    this.second = larger(this.second);
  }
}
