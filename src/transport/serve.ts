import { createServer, type Server, type Socket } from 'node:net';
import { aborted } from './dial.js';
import { type DoorEntry, Doorkeeper } from './doorkeeper.js';
import { socketError } from './socket-errors.js';

export interface TcpListener extends AsyncDisposable {
  /** The address that is listened on: "127.0.0.1", "::1". */
  readonly host: string;
  readonly port: number;
  /** Stops listening; channels that were accepted live on. Idempotent. */
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Stops listening. */
  readonly signal?: AbortSignal | undefined;
  /** Who may come in, and how many. Default: everybody. */
  readonly door?: Doorkeeper | undefined;
  /** Bytes of the largest frame that a channel takes at first (`Channel.receiveInto`). Default 128 KiB. */
  readonly areaBytes?: number | undefined;
}

/** Gives each accepted socket, nothing read from it yet, to `onSocket`, which says what socket its visit is to follow. ERR_IO: the address cannot be listened on; ERR_ABORTED. */
export function serve(
  { host, port, signal, door = new Doorkeeper() }: ServeOptions,
  onSocket: (socket: Socket, visit: DoorEntry) => void,
): Promise<TcpListener> {
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true, pauseOnConnect: true });
    server.on('connection', (socket) => onSocket(socket, door.admit(socket)));
    // Once it listens an error is an accept that failed, which costs that connection only.
    server.on('error', (error) => reject(socketError(error, `cannot listen on ${host}:${port}`)));
    server.listen({ host, port }, () => {
      const listener = listenerOf(server, signal);
      if (!signal?.aborted) return resolve(listener);
      void listener.close();
      reject(aborted(signal));
    });
  });
}

function listenerOf(server: Server, signal: AbortSignal | undefined): TcpListener {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
  const close = () => {
    signal?.removeEventListener('abort', close);
    // The socket is closed at once; Node's callback would wait for every connection to end.
    if (server.listening) server.close();
    return Promise.resolve();
  };
  signal?.addEventListener('abort', close, { once: true });
  const { address: host, port } = address;
  return { host, port, close, [Symbol.asyncDispose]: close };
}
