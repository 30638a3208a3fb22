import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands between a primary and a standby: counts what the primary says, and cuts. */
export class Relay {
  /** Bytes that the primary said since this was last set to 0. */
  said = 0;
  /** More than that is not passed on. */
  most: number = Number.POSITIVE_INFINITY;
  #isUp = true;
  readonly #sockets = new Set<Socket>();

  readonly port: number;

  private constructor(port: number) {
    this.port = port;
  }

  static async to(target: number): Promise<Relay> {
    const server = createServer((one) => relay.#pass(one, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const relay = new Relay(typeof address === 'object' && address !== null ? address.port : 0);
    onTestFinished(() => {
      relay.cut();
      server.close();
    });
    return relay;
  }

  /** Everybody is cut off, until `mend`. */
  cut(): void {
    this.#isUp = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isUp = true;
  }

  #pass(one: Socket, port: number): void {
    if (!this.#isUp) {
      one.destroy();
      return;
    }
    const other = connect({ host: '127.0.0.1', port });
    one.on('data', (bytes) => {
      this.said += bytes.length;
      if (this.said > this.most) one.pause();
      else other.write(bytes);
    });
    other.on('data', (bytes) => one.write(bytes));
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
    }
  }
}
