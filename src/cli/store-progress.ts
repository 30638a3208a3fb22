import { formatBytes, formatRate } from './format.js';
import type { Output } from './output.js';

/** Where there is a terminal: how far something with a store is, and how fast. */
export class StoreProgress {
  readonly #output: Output;
  readonly #doing: string;
  readonly #startedAt = performance.now();

  constructor(output: Output, doing: string) {
    this.#output = output;
    this.#doing = doing;
  }

  readonly show = (done: number, all: number): void => {
    if (!this.#output.live) return;
    const percent = all === 0 ? 100 : Math.floor((done / all) * 100);
    const elapsedMs = Math.max(1, performance.now() - this.#startedAt);
    const rate = formatRate((done / elapsedMs) * 1000);
    this.#output.status(`${this.#doing}  ${percent} %  ${formatBytes(done)}  ${rate}`);
  };
}
