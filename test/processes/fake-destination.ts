import { createServer, type Socket } from 'node:net';
import type { Message, Offer, Prepare } from '../../src/protocol/index.js';
import { FakePeer } from './peer.js';

/** Something that listens where a source expects a destination. */
export interface FakeServer {
  readonly port: number;
  close(): void;
}

/** Serves every connection with `serve`. */
export async function listenRaw(serve: (socket: Socket) => void): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return {
    port: address.port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A destination that gets as far with a source as a test wants and then says what it likes. */
export class FakeDestination extends FakePeer {
  greet(standing: Extract<Message, { type: 'HELLO_ACK' }>['standing'] = 'new'): void {
    this.say({ type: 'HELLO_ACK', version: 1, standing, capabilities: 0, lastAppliedSeq: 0 });
  }

  /** Until the OFFER. */
  async meet(): Promise<Offer> {
    await this.hearOf('HELLO');
    this.greet();
    return this.hearOf('OFFER');
  }

  /** Until the first frame behind ACCEPT. */
  async accept(): Promise<void> {
    await this.meet();
    this.say({ type: 'ACCEPT', bases: ['zero'] });
    await this.hear();
  }

  /** Until PREPARE. */
  async takeAll(): Promise<Prepare> {
    await this.meet();
    this.say({ type: 'ACCEPT', bases: ['zero'] });
    return this.hearPrepare();
  }

  /** Acknowledges what comes, until PREPARE. */
  async hearPrepare(): Promise<Prepare> {
    for (;;) {
      const message = await this.hear();
      if (message === undefined) throw new Error('closed without PREPARE');
      if (message.type === 'PREPARE') return message;
      this.say({ type: 'ACK', seq: this.heardSeq, appliedBytes: 0, rereadPages: 0 });
    }
  }

  /** Until COMMIT. */
  async makeReady(): Promise<Prepare> {
    const prepare = await this.takeAll();
    this.say({ type: 'READY', digest: prepare.digest });
    await this.hearOf('COMMIT');
    return prepare;
  }
}

/** The first connection follows `script`; later ones (a source that asks) are closed at once. */
export function listenAs(script: (peer: FakeDestination) => Promise<unknown>): Promise<FakeServer> {
  let connections = 0;
  return listenRaw((socket) => {
    connections += 1;
    if (connections > 1) socket.destroy();
    else {
      script(new FakeDestination(socket)).catch(() => {
        // The source was faster with its end; what it says of that is what the test looks at.
        socket.destroy();
      });
    }
  });
}
