/** Something that was promised, and may still take so many bytes. */
export interface RoomPromise {
  /** Bytes that are promised and not taken yet. */
  left: () => number;
}

/** What was promised of something that runs out, memory or a disk, to those who have not taken it yet. */
export class PromisedRoom {
  readonly #promises = new Set<RoomPromise>();

  add(promise: RoomPromise): void {
    this.#promises.add(promise);
  }

  /** Idempotent. */
  remove(promise: RoomPromise): void {
    this.#promises.delete(promise);
  }

  /** Bytes promised before `promise`: who came later has to see to it that there is room for both. */
  before(promise: RoomPromise): number {
    let bytes = 0;
    for (const other of this.#promises) {
      if (other === promise) break;
      bytes += other.left();
    }
    return bytes;
  }

  /** Bytes promised to everybody but `promise`. */
  beside(promise: RoomPromise): number {
    let bytes = 0;
    for (const other of this.#promises) if (other !== promise) bytes += other.left();
    return bytes;
  }
}
