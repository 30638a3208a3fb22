import { connect, type OnReadOpts, type Socket } from 'node:net';
import { FerryError } from '../errors.js';
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
 * A socket connected to a listening peer, read through `onread` where that is given.
 * ERR_CONNECTION_LOST: refused, unreachable, no such name; ERR_IO: this side cannot connect at all.
 */
export function dial(options: TcpConnectOptions, onread?: OnReadOpts): Promise<Socket> {
  const { host, port, signal, timeoutMs = 10_000 } = options;
  if (signal?.aborted) return Promise.reject(aborted(signal));
  // Node would refuse it too, but forget the socket it has already made.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return Promise.reject(new RangeError(`${port} is not a port to connect to`));
  }
  const reading = onread === undefined ? {} : { onread };
  const socket = connect({ host, port, noDelay: true, ...reading });
  const what = `connection to ${host}:${port}`;
  return settled(socket, 'connect', what, { signal, timeoutMs });
}

/**
 * `socket` once it says `event`; else it is destroyed, and the promise rejects: with what `error` makes of the socket's error, ERR_PEER_TIMEOUT
 * after `timeoutMs`, or ERR_ABORTED.
 */
export function settled<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  what: string,
  { signal, timeoutMs }: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<S> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      fail(new FerryError('ERR_PEER_TIMEOUT', `no ${what} within ${timeoutMs} ms`));
    }, timeoutMs);
    const onAbort = () => fail(aborted(signal));
    const onError = (error: Error) => fail(socketError(error, `no ${what}`));
    const onClose = () => fail(new FerryError('ERR_CONNECTION_LOST', `no ${what}: closed`));
    const onDone = () => {
      settle();
      resolve(socket);
    };
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once(event, onDone);
    signal?.addEventListener('abort', onAbort, { once: true });

    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('close', onClose);
      socket.off(event, onDone);
    }
    function fail(error: FerryError): void {
      settle();
      // What was given up may still report its end.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    }
  });
}

export function aborted(signal: AbortSignal | undefined): FerryError {
  return new FerryError('ERR_ABORTED', 'aborted', { cause: signal?.reason });
}
