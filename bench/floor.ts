import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { switchoverBytes } from './switchover-messages.js';

/** The largest payload of a frame. */
const frameBytes = 512 << 10;

/**
 * The floor of a switchover: two processes exchange as many bytes, in as many turns, over loopback, and do nothing else. No page is looked
 * at, hashed, checked or applied.
 */
export class Floor implements Disposable {
  readonly #server: Server;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #frame: Uint8Array = new Uint8Array(frameBytes);
  #awaited = 0;
  #arrived: () => void = () => {};

  private constructor(server: Server, child: ChildProcess, socket: Socket) {
    this.#server = server;
    this.#child = child;
    this.#socket = socket;
    socket.on('data', ({ length }) => {
      this.#awaited -= length;
      if (this.#awaited === 0) this.#arrived();
    });
  }

  static async start(): Promise<Floor> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('not listening');
    const script = new URL('./floor-process.js', import.meta.url);
    const child = fork(script, [String(address.port)]);
    const [socket] = await once(server, 'connection');
    return new Floor(server, child, socket);
  }

  /** Milliseconds from the first byte of `pageBytes` and what follows them until the answer to the answer is here. */
  async switchover(pageBytes: number): Promise<number> {
    const length = new Uint8Array(8);
    new DataView(length.buffer).setFloat64(0, pageBytes);
    const told = this.#await(1);
    this.#socket.write(length);
    await told;
    const from = performance.now();
    const ready = this.#await(switchoverBytes.ready);
    for (let left = pageBytes; left > 0; left -= frameBytes) {
      this.#socket.write(this.#frame.subarray(0, Math.min(left, frameBytes)));
    }
    this.#socket.write(this.#frame.subarray(0, switchoverBytes.prepare));
    await ready;
    const running = this.#await(switchoverBytes.running);
    this.#socket.write(this.#frame.subarray(0, switchoverBytes.commit));
    await running;
    return performance.now() - from;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
    this.#server.close();
    this.#child.kill('SIGKILL');
  }

  #await(bytes: number): Promise<void> {
    this.#awaited = bytes;
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }
}
