import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Broken } from './demo-messages.js';
import { Failure, type Side } from './failure.js';

const endMs = 1000;

/** One child of a demo as its coordinator sees it. IPC carries control only; memory goes from child to child. */
export class DemoProcess<
  To extends { readonly type: string },
  From extends { readonly type: string },
> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, (message: From) => void>();
  readonly #kill = (): void => void this.#child.kill('SIGKILL');
  /** Rejects with a Failure once the child ended, or said that it cannot go on. */
  readonly lost: Promise<never>;

  constructor(side: Side, module: string, onMessage: (message: From | Broken) => void) {
    this.#child = fork(fileURLToPath(new URL(module, import.meta.url)), {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    process.on('exit', this.#kill);
    this.lost = new Promise((_resolve, reject) => {
      this.#child.on('exit', (code, signal) => reject(gone(side, code, signal)));
      this.#child.on('error', (error) => reject(gone(side, null, error.message)));
      this.#child.on('message', (raw) => {
        const message = raw as From | Broken;
        if (message.type === 'broken') {
          const { code, message: text } = message as Broken;
          reject(failure(side, code, text));
        }
        onMessage(message);
        const { type } = message;
        const deliver = this.#waiting.get(type);
        this.#waiting.delete(type);
        deliver?.(message as From);
      });
    });
    // Looked at when something is waited for; a child that ends in peace is nobody's failure.
    this.lost.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(message: To): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** The next message of this type. One waiter a type; rejects as `lost` does. */
  next<T extends From['type']>(type: T): Promise<Extract<From, { type: T }>> {
    const message = new Promise<Extract<From, { type: T }>>((resolve) => {
      this.#waiting.set(type, (arrived) => {
        if (isOfType(arrived, type)) resolve(arrived);
      });
    });
    return Promise.race([message, this.lost]);
  }

  /** Does to it what a drill is for; nobody's failure. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends the child, by force if it does not end by itself within a second. */
  async end(message: To): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.send(message);
    const timer = setTimeout(this.#kill, endMs);
    await ended;
    clearTimeout(timer);
  }
}

function isOfType<M extends { readonly type: string }, T extends M['type']>(
  message: M,
  type: T,
): message is Extract<M, { type: T }> {
  return message.type === type;
}

function gone(side: Side, code: number | null, signal: string | null): Failure {
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  return failure(
    side,
    side === 'source' ? 'ERR_SOURCE_LOST' : 'ERR_CONNECTION_LOST',
    `the ${side} process ended ${how}`,
  );
}

function failure(side: Side, code: Broken['code'], message: string): Failure {
  return new Failure({ type: 'failed', code, message, phase: 'starting', side, retryable: false });
}
