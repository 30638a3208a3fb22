import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Two sockets joined: what comes in at one is to go out at the other. */
export interface Crossing {
  /** Resets both. */
  cut(): void;
  /** One end was reset; the other is to learn of it. */
  lost(): void;
}

/** Joins the two ends of the `connection`th connection, counted from 1. Both may end their halves one by one. */
export type Join = (source: Socket, destination: Socket, connection: number) => Crossing;

/** Listens on loopback before a destination, and joins each connection to one of its own there. */
export class CrossingServer {
  readonly #server: Server;
  readonly #crossings = new Set<Crossing>();
  #connections = 0;

  /** Passes everything that arrives on to `target`, a port of this machine, as `join` does. Call `listen` next. */
  constructor(target: number, join: Join) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (source) => {
      const destination = connect({
        port: target,
        host: '127.0.0.1',
        allowHalfOpen: true,
        noDelay: true,
      });
      this.#connections += 1;
      const crossing = join(source, destination, this.#connections);
      this.#crossings.add(crossing);
      let open = 2;
      for (const socket of [source, destination]) {
        socket.on('error', () => {});
        socket.on('close', (hadError) => {
          // An end without an error was passed on as one.
          if (hadError) crossing.lost();
          open -= 1;
          if (open === 0) this.#crossings.delete(crossing);
        });
      }
    });
  }

  /** On `port`, by default a free one, of an address of this machine. */
  listen(port = 0, host = '127.0.0.1'): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, host, resolve));
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  /** Resets every connection. */
  cut(): void {
    for (const crossing of this.#crossings) crossing.cut();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}
