import { connect, type Socket } from 'node:net';

/** What a stranger does with its connection. */
export type Habit = (socket: Socket) => void;

const dripMs = 1000;

/** Says these bytes, one a second. */
export function drip(bytes: Uint8Array): Habit {
  return (socket) => {
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), dripMs);
    socket.once('close', () => clearInterval(timer));
  };
}

/**
 * Strangers at a port, from 127.0.0.2 on, 199 addresses in turn: whose connection was closed opens another at once. On systems that have
 * no such addresses all come from the same one.
 */
export class Crowd {
  readonly #port: number;
  readonly #habits: readonly Habit[];
  readonly #sockets = new Set<Socket>();
  #closed = false;
  /** Connections made so far. */
  made = 0;
  #attempts = 0;
  #onMade: () => void = () => {};

  constructor(port: number, size: number, habits: readonly Habit[]) {
    this.#port = port;
    this.#habits = habits;
    for (let at = 0; at < size; at++) this.#come();
  }

  /** Once so many connections were made. */
  async has(made: number): Promise<void> {
    while (this.made < made) {
      await new Promise<void>((resolve) => {
        this.#onMade = resolve;
      });
    }
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #come(): void {
    this.#attempts += 1;
    const localAddress = `127.0.0.${2 + (this.#attempts % 199)}`;
    const from = process.platform === 'linux' ? { localAddress } : {};
    const habit = this.#habits[this.#attempts % this.#habits.length];
    const socket = connect({ port: this.#port, host: '127.0.0.1', ...from });
    this.#sockets.add(socket);
    socket.on('error', () => {}).resume();
    socket.once('connect', () => {
      this.made += 1;
      this.#onMade();
      habit?.(socket);
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (!this.#closed) this.#come();
    });
  }
}
