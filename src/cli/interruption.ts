import { exitCode } from './failure.js';

/** After the first signal a command has this long to end by itself. */
const patienceMs = 8000;

/**
 * Ctrl-C and SIGTERM for one command: the first aborts `signal`, so that it can give back what it holds; the second, or eight seconds,
 * ends the process at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #name: 'SIGINT' | 'SIGTERM' | undefined;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (name !== 'SIGINT' && name !== 'SIGTERM') return;
    if (this.#name !== undefined) process.exit(exitCode[this.#name]);
    this.#name = name;
    setTimeout(() => process.exit(exitCode[name]), patienceMs).unref();
    this.#controller.abort(new Error(name));
  };

  constructor() {
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code the signal asks for; undefined while there was none. */
  get exitCode(): number | undefined {
    return this.#name === undefined ? undefined : exitCode[this.#name];
  }
}
