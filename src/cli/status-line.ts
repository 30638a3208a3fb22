import type { WriteStream } from 'node:tty';

const shortestMs = 40;

/**
 * One line at the bottom of a terminal. Our own, as small as the need: spinners end the process at Ctrl-C by themselves, where a
 * migration has to be given back first, and log-update no longer runs on Node 20.
 */
export class StatusLine {
  readonly #terminal: WriteStream;
  #shown = false;
  #shownAt = 0;

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
  }

  /** Replaces the line, at most 25 times a second; what does not fit the terminal's width is cut off. */
  show(text: string): void {
    const now = performance.now();
    if (this.#shown && now - this.#shownAt < shortestMs) return;
    // Some terminals have not been told their width and say 0.
    const width = (this.#terminal.columns || 80) - 1;
    this.#terminal.write(`\r\x1b[K${[...text].slice(0, width).join('')}`);
    this.#shown = true;
    this.#shownAt = now;
  }

  clear(): void {
    if (!this.#shown) return;
    this.#terminal.write('\r\x1b[K');
    this.#shown = false;
  }
}
