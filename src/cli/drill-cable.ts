import { connect, createServer, type Server, type Socket } from 'node:net';
import { FerryError } from '../errors.js';

/** Connections from a port of its own to another one of this machine, which can be silenced or damaged as a bad network does. */
export class Cable {
  readonly #server: Server;
  readonly #to: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isCut = false;
  #isDamaging = false;

  private constructor(server: Server, to: number) {
    this.#server = server;
    this.#to = to;
    server.on('connection', (socket) => this.#join(socket));
  }

  static async to(port: number): Promise<Cable> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Cable(server, port);
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) return address.port;
    throw new FerryError('ERR_IO', 'a cable does not listen');
  }

  /** Nothing passes, either way, and nobody hears that: connections stay, and new ones can be made. */
  cut(): void {
    this.#isCut = true;
    for (const [near, far] of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** What waited passes. */
  mend(): void {
    this.#isCut = false;
    for (const [near, far] of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  /** Flips a bit of what goes forth next. */
  damage(): void {
    this.#isDamaging = true;
  }

  close(): void {
    this.#server.close();
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  #join(near: Socket): void {
    const far = connect({ host: '127.0.0.1', port: this.#to, noDelay: true });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    near.on('data', (bytes: Buffer) => this.#pass(this.#damaged(bytes), near, far));
    far.on('data', (bytes) => this.#pass(bytes, far, near));
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on('error', () => {});
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
    if (this.#isCut) far.pause();
    else near.resume();
  }

  #pass(bytes: Uint8Array, from: Socket, to: Socket): void {
    if (to.write(bytes)) return;
    from.pause();
    to.once('drain', () => {
      if (!this.#isCut) from.resume();
    });
  }

  #damaged(bytes: Buffer): Buffer {
    if (!this.#isDamaging) return bytes;
    this.#isDamaging = false;
    const at = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 16, at);
    return bytes;
  }
}
