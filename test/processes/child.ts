import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A process that talks with its parent over IPC, and everything it said. */
export class Child<Said extends { readonly type: string }, Order extends object | string> {
  readonly said: Said[] = [];
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #isGone = false;
  #stderr = '';
  #tell: () => void = () => {};
  #news: Promise<void>;

  /** `onSaid` hears of each message first. */
  constructor(
    name: string,
    program: string,
    args: readonly string[],
    execArgv: readonly string[],
    onSaid: (message: Said) => void = () => {},
  ) {
    this.#name = name;
    this.#child = fork(program, args, {
      execArgv: [...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#news = this.#nextNews();
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#child.on('message', (raw) => {
      const message = raw as Said;
      onSaid(message);
      this.said.push(message);
      this.#tell();
    });
    // What it said before it died is read before its pipe ends.
    this.#gone = Promise.all([once(this.#child, 'exit'), once(this.#child, 'disconnect')]);
    this.#gone.then(() => {
      this.#isGone = true;
      this.#tell();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What `find` gives once it gives something; fails if the process ends without. */
  async until<T>(what: string, find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#isGone) throw new Error(`${this.#name} ended without ${what}: ${this.story()}`);
      await this.#news;
    }
  }

  order(order: Order): void {
    if (this.#child.connected) this.#child.send(order, () => {});
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves when it is dead and all it said was read. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#gone;
  }

  /** What it said, but for commits, for people. */
  story(): string {
    const lines = this.said
      .filter(({ type }) => type !== 'commits' && type !== 'content')
      .map((message) => `  ${JSON.stringify(message)}`);
    return [`${this.#name}${this.#isGone ? ', dead' : ''}:`, ...lines, this.#stderr].join('\n');
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => {
      this.#tell = () => {
        this.#news = this.#nextNews();
        resolve();
      };
    });
  }
}
