import type { CommitBatch } from './demo-messages.js';

const flushEveryMs = 50;
/** Even a pause that drags on is reported after this long. */
const longestQuietMs = 300;

/**
 * A child's way to its coordinator. Commits are told in batches; while it is `quiet` nothing is sent at all, so that telling costs the
 * pause nothing. Everything arrives in the order it was posted.
 */
export class DemoPost<M extends { readonly type: string }> {
  readonly #toMs: number;
  #digests: Uint32Array = new Uint32Array(1024);
  #first = 0;
  #count = 0;
  #held: (M | CommitBatch)[] | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  #firstCommitMs = 0;
  #lastCommitMs = 0;

  constructor() {
    // The machine's monotonic clock is the same in all of its processes.
    this.#toMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    setInterval(() => this.#flushCommits(), flushEveryMs).unref();
  }

  /** Times of the first and the latest commit on the machine's monotonic clock, milliseconds; 0 if there was none. */
  get firstCommitMs(): number {
    return this.#firstCommitMs;
  }

  get lastCommitMs(): number {
    return this.#lastCommitMs;
  }

  readonly commit = (seq: number, digest: number): void => {
    if (this.#count === this.#digests.length) {
      const wider = new Uint32Array(2 * this.#count);
      wider.set(this.#digests);
      this.#digests = wider;
    }
    if (this.#count === 0) this.#first = seq;
    this.#digests[this.#count] = digest;
    this.#count += 1;
    this.#lastCommitMs = performance.now() + this.#toMs;
    if (this.#firstCommitMs === 0) this.#firstCommitMs = this.#lastCommitMs;
  };

  post(message: M): void {
    this.#flushCommits();
    this.#send(message);
  }

  /** Says nothing until `speak`, or for 300 ms. */
  quiet(): void {
    this.#held ??= [];
    this.#quietTimer ??= setTimeout(() => this.speak(), longestQuietMs);
  }

  speak(): void {
    clearTimeout(this.#quietTimer);
    this.#quietTimer = undefined;
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#send(message);
  }

  #flushCommits(): void {
    if (this.#count === 0 || this.#held !== undefined) return;
    const digests = this.#digests.slice(0, this.#count);
    this.#count = 0;
    this.#send({ type: 'commits', first: this.#first, digests });
  }

  #send(message: M | CommitBatch): void {
    if (this.#held !== undefined) this.#held.push(message);
    else if (process.connected) process.send?.(message);
  }
}
