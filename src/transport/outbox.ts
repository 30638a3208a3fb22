/** Frames queued above which `send` asks its caller to wait. */
const maxQueuedFrames = 2;
/**
 * Bytes queued above which it does: two frames of the usual largest size. (Node's own mark, 16 KiB,
 * is below one frame and would stop the pipe after each.)
 */
const maxQueuedBytes: number = 1024 * 1024;

/**
 * The books of the sending half of a channel: which frames are queued, when there is room again, and
 * that each is released exactly once.
 */
export class Outbox {
  readonly #queued = new Set<{ readonly bytes: number; readonly released: () => void }>();
  #bytes = 0;
  #wanted = false;

  get queuedBytes(): number {
    return this.#bytes;
  }

  /** Books a frame in; the returned function books it out, the first time it is called. */
  add(bytes: number, released: () => void): () => void {
    const entry = { bytes, released };
    this.#queued.add(entry);
    this.#bytes += bytes;
    return () => {
      if (!this.#queued.delete(entry)) return;
      this.#bytes -= bytes;
      released();
    };
  }

  /** Whether another frame may follow; if not, `becameWritable` will say so once there is room. */
  askForRoom(): boolean {
    this.#wanted = !this.#hasRoom();
    return !this.#wanted;
  }

  /** Whether somebody waits for room and there is some now. True once for each wait. */
  becameWritable(): boolean {
    if (!this.#wanted || !this.#hasRoom()) return false;
    this.#wanted = false;
    return true;
  }

  /** Releases whatever is still queued. */
  releaseAll(): void {
    const left = [...this.#queued];
    this.#queued.clear();
    this.#bytes = 0;
    for (const { released } of left) released();
  }

  #hasRoom(): boolean {
    return this.#queued.size <= maxQueuedFrames && this.#bytes <= maxQueuedBytes;
  }
}
