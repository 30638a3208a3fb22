import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { FerryError } from '../errors.js';
import { takeOver } from './accepted-socket.js';
import type { Channel } from './channel.js';
import { Intake } from './intake.js';
import { readEvents, readInto, socketChannel } from './socket-channel.js';
import { socketError } from './socket-errors.js';

export interface TcpConnectOptions {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Gives up a connection that is not there yet: ERR_ABORTED. Channels that exist are not touched. */
  readonly signal?: AbortSignal | undefined;
  /** How long to try, names included: ERR_PEER_TIMEOUT. Default 10 seconds. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Connects to a listening peer. Set the channel's callbacks in the turn the promise resolves in.
 * ERR_CONNECTION_LOST: refused, unreachable, no such name; ERR_IO: this side cannot connect at all.
 */
export function connectTcp(options: TcpConnectOptions): Promise<Channel> {
  const { host, port, signal, timeoutMs = 10_000 } = options;
  if (signal?.aborted) return Promise.reject(aborted(signal));
  // Node would refuse it too, but forget the socket it has already made.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return Promise.reject(new RangeError(`${port} is not a port to connect to`));
  }
  return new Promise((resolve, reject) => {
    const intake = new Intake();
    const socket = connect({ host, port, noDelay: true, onread: readInto(intake) });
    const timer = setTimeout(() => {
      const what = `no connection to ${host}:${port} within ${timeoutMs} ms`;
      fail(new FerryError('ERR_PEER_TIMEOUT', what));
    }, timeoutMs);
    const onAbort = () => fail(aborted(signal));
    const onError = (error: Error) => fail(socketError(error, `cannot connect to ${host}:${port}`));
    const onConnect = () => {
      settle();
      resolve(socketChannel(socket, intake));
    };
    socket.once('error', onError);
    socket.once('connect', onConnect);
    signal?.addEventListener('abort', onAbort, { once: true });

    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('connect', onConnect);
    }
    function fail(error: FerryError): void {
      settle();
      // A connection attempt that was given up may still report its end.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    }
  });
}

export interface TcpListenOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Called with each accepted connection; set the channel's callbacks before it returns. */
  readonly onChannel: (channel: Channel) => void;
  /** Stops listening. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How accepted sockets are read. 'events' uses nothing but Node's public API and is slower; 'auto'
   * (default) falls back to it where it must.
   */
  readonly reading?: 'auto' | 'events' | undefined;
}

export interface TcpListener extends AsyncDisposable {
  /** The address that is listened on: "127.0.0.1", "::1". */
  readonly host: string;
  readonly port: number;
  /** Stops listening; channels that were accepted live on. Idempotent. */
  close(): Promise<void>;
}

/** Listens for peers. ERR_IO: the address cannot be listened on; ERR_ABORTED. */
export function listenTcp(options: TcpListenOptions): Promise<TcpListener> {
  const { host, port, onChannel, signal, reading = 'auto' } = options;
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true, pauseOnConnect: true });
    server.on('connection', (socket) => onChannel(accept(socket, reading)));
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

function accept(socket: Socket, reading: 'auto' | 'events'): Channel {
  const intake = new Intake();
  const fast = reading === 'auto' ? takeOver(socket, readInto(intake)) : undefined;
  if (fast !== undefined) return socketChannel(fast, intake);
  const channel = socketChannel(socket, intake);
  readEvents(socket, intake);
  socket.resume();
  return channel;
}

function listenerOf(server: Server, signal: AbortSignal | undefined): TcpListener {
  const { address, port }: AddressInfo = addressOf(server);
  const close = () => {
    signal?.removeEventListener('abort', close);
    // The socket is closed at once; Node's callback would wait for every connection to end.
    if (server.listening) server.close();
    return Promise.resolve();
  };
  signal?.addEventListener('abort', close, { once: true });
  return { host: address, port, close, [Symbol.asyncDispose]: close };
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
  return address;
}

function aborted(signal: AbortSignal | undefined): FerryError {
  return new FerryError('ERR_ABORTED', 'aborted', { cause: signal?.reason });
}
