/** Progress events that wait for nobody are replaced by newer ones; of the others this many are kept. */
const mostWaiting = 4096;
const passing: ReadonlySet<string> = new Set([
  'epoch',
  'progress',
  'round',
  'stranger',
  'offered',
  'stalled',
  'retreated',
  'unreached',
]);

/** Events in the order they were pushed, for one `for await` loop. Ends after `end`. */
export class EventStream<E extends { readonly type: string }> implements AsyncIterableIterator<E> {
  #waiting: E[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  push(event: E): void {
    if (this.#ended) return;
    if (event.type === 'progress' && this.#waiting.at(-1)?.type === 'progress') this.#waiting.pop();
    // An outcome is never dropped: where nobody reads, what only tells of the way makes room.
    if (this.#waiting.length >= mostWaiting) {
      const least = this.#waiting.findIndex(({ type }) => passing.has(type));
      if (least >= 0) this.#waiting.splice(least, 1);
    }
    this.#waiting.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<E, undefined>> {
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const event = this.#waiting.shift();
    return event === undefined ? { done: true, value: undefined } : { done: false, value: event };
  }

  /** The loop was left: nothing is kept from now on. */
  return(): Promise<IteratorResult<E, undefined>> {
    this.#waiting = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
