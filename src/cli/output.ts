import type { WriteStream } from 'node:tty';
import { toJsonLine } from './escape.js';
import { StatusLine } from './status-line.js';

/**
 * Where a command writes: events as NDJSON to stdout under `--json`, text for people to stdout, or to stderr under `--json`. A reader
 * that went away costs its output, nothing else.
 */
export class Output {
  readonly json: boolean;
  readonly #people: NodeJS.WriteStream;
  readonly #status: StatusLine | undefined;

  constructor(json: boolean) {
    this.json = json;
    this.#people = json ? process.stderr : process.stdout;
    this.#status = isTerminal(this.#people) ? new StatusLine(this.#people) : undefined;
    for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreBrokenPipe);
  }

  /** Whether people watch on a terminal. */
  get live(): boolean {
    return this.#status !== undefined;
  }

  /** An event for programs; people are told by `line` and `status`. */
  event<E extends { readonly type: string }>(event: E): void {
    if (this.json) process.stdout.write(`${toJsonLine(event)}\n`);
  }

  line(text = ''): void {
    this.#status?.clear();
    this.#people.write(`${text}\n`);
  }

  /** One line that the next one replaces; nothing where there is no terminal. */
  status(text: string): void {
    this.#status?.show(text);
  }

  /** Always to stderr. */
  error(text: string): void {
    this.#status?.clear();
    process.stderr.write(`${text}\n`);
  }

  close(): void {
    this.#status?.clear();
  }
}

function isTerminal(stream: NodeJS.WriteStream): stream is NodeJS.WriteStream & WriteStream {
  return stream.isTTY === true && process.env['TERM'] !== 'dumb';
}

function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
}
