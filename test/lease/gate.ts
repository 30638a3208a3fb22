import { once } from 'node:events';
import {
  type AddressInfo,
  createServer,
  connect as dial,
  type Server,
  type Socket,
} from 'node:net';

/** What is done with bytes: held ones are delivered by `release`, also where who sent them is gone. */
export type Passage = 'pass' | 'drop' | 'hold';

/** A wire to an engine, whose directions can be told apart. */
export class Gate {
  /** Of what goes to the engine, by what it is. */
  there: (chunk: Buffer) => Passage = () => 'pass';
  /** Of the engine's answers. */
  back: () => Passage = () => 'pass';
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];

  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = dial(target, '127.0.0.1');
      this.#join(near, far, (chunk) => this.there(chunk));
      this.#join(far, near, () => this.back());
    });
  }

  static async open(target: number): Promise<Gate> {
    const gate = new Gate(target);
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many deliveries wait. */
  get held(): number {
    return this.#held.length;
  }

  release(): void {
    for (const deliver of this.#held.splice(0)) deliver();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(from: Socket, to: Socket, passage: (chunk: Buffer) => Passage): void {
    this.#sockets.add(from);
    let hasHeld = false;
    from.on('error', () => {});
    from.on('data', (chunk) => {
      const what = passage(chunk);
      if (what === 'drop') return;
      if (what === 'pass') {
        to.write(chunk);
        return;
      }
      hasHeld = true;
      this.#held.push(() => to.write(chunk));
    });
    from.on('close', () => {
      this.#sockets.delete(from);
      if (!hasHeld) to.destroy();
    });
  }
}
